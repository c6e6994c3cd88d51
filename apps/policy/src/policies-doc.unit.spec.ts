import { readFileSync } from 'node:fs';
import { actionTypes, triggerKinds, type Json, type NormalizedPolicies, type TriggerKind } from '@flex/contracts';
import { evaluatePolicies, normalizePolicies } from '@flex/planning';

interface Occasion {
  occasion: TriggerKind;
  node?: { id: string; kind: string; capabilityId?: string };
  context: { [name: string]: Json };
  matched?: string[];
  acts: string | null;
  action?: Json;
}
interface Refused {
  policies: unknown;
  codes: string[];
  says: string;
}
type Block =
  { kind: 'policies'; value: unknown } | { kind: 'occasion'; value: Occasion } | { kind: 'refused'; value: Refused };

const page = readFileSync(new URL('../../../docs/policies.md', import.meta.url), 'utf8');
const blocks = [...page.matchAll(/^```json(?: (\w+))?\n([\s\S]*?)^```$/gm)].map(
  ([, kind, text]) => ({ kind, value: JSON.parse(text!) as unknown }) as Block,
);

const normalized = (value: unknown): NormalizedPolicies => {
  const { policies, diagnostics } = normalizePolicies(value);
  if (!policies) throw new Error(JSON.stringify(diagnostics));
  return policies;
};

describe('the examples of docs/policies.md', () => {
  it('are all of a kind that this test knows', () => {
    expect(new Set(blocks.map(({ kind }) => kind))).toEqual(new Set(['policies', 'occasion', 'refused']));
  });

  let current: NormalizedPolicies | undefined;
  for (const [index, block] of blocks.entries()) {
    const name = `block ${index + 1}`;
    if (block.kind === 'policies') {
      const { value } = block;
      it(`${name}: is accepted`, () => expect(normalized(value)).toBeDefined());
      try {
        current = normalized(value);
      } catch {
        // The test above says what is wrong.
        current = undefined;
      }
    } else if (block.kind === 'refused') {
      const { policies, codes, says } = block.value;
      it(`${name}: is refused with ${codes.join(', ')}`, () => {
        const refusal = normalizePolicies(policies);
        expect(refusal.policies).toBeUndefined();
        expect([...new Set(refusal.diagnostics.map(({ code }) => code))]).toEqual(codes);
        expect(
          refusal.diagnostics.map(({ message, suggestion }) => `${message} ${suggestion ?? ''}`).join('\n'),
        ).toContain(says);
      });
    } else {
      const policies = current;
      const { occasion, node, context, matched, acts, action } = block.value;
      it(`${name}: ${occasion} lets ${acts ?? 'nobody'} act`, () => {
        const verdict = evaluatePolicies({
          occasion,
          nodeId: node?.id,
          node,
          policies: (policies?.runtime ?? []).filter(({ trigger }) => trigger.kind === occasion),
          context,
        });
        if (matched)
          expect(verdict.evaluations.filter((each) => each.matched).map((each) => each.policyId)).toEqual(matched);
        expect(verdict.acts?.policyId ?? null).toBe(acts);
        if (action) expect(verdict.acts?.action).toEqual(action);
      });
    }
  }

  it('show every trigger and every action', () => {
    const occasions = blocks.flatMap((block) => (block.kind === 'occasion' ? block.value : []));
    expect(new Set(occasions.map(({ occasion }) => occasion))).toEqual(new Set(triggerKinds));
    const acting = new Set(
      blocks
        .flatMap((block) => (block.kind === 'policies' ? normalized(block.value).runtime : []))
        .map(({ action }) => action.type),
    );
    expect(acting).toEqual(new Set(actionTypes));
  });
});
