import type { DraftNode, Selection } from '@flex/contracts';
import { modelSelections } from './model-selections.js';

const breakdown = { facetAlignment: 1, language: 1, channel: 1, contentType: 1, cost: 1, strengths: 1, health: 1 };
const node = (id: string, capabilityId: string): DraftNode => ({
  id,
  kind: 'execution',
  capabilityId,
  label: id,
  inputFacets: [],
  outputFacets: [],
});
const selection: Selection = {
  score: 0.9,
  breakdown,
  threshold: 0.5,
  runnersUp: [
    { capabilityId: 'writer.second', score: 0.8, breakdown },
    { capabilityId: 'writer.third', score: 0.7 },
  ],
};
const deterministic = { draft: { nodes: [node('w', 'writer.first')] }, selections: { w: selection }, diagnostics: [] };

describe('why a capability that a model chose', () => {
  it('is what the assembler found, whatever the node is called', () => {
    expect(modelSelections({ draft: { nodes: [node('mine', 'writer.first')] } }, deterministic)).toEqual({
      mine: selection,
    });
  });

  it('is turned around when the model preferred a runner-up', () => {
    const delta = { baseVersion: 1, operations: [{ op: 'addNode' as const, node: node('mine', 'writer.second') }] };
    expect(modelSelections({ delta }, deterministic)).toEqual({
      mine: {
        score: 0.8,
        breakdown,
        threshold: 0.5,
        runnersUp: [
          { capabilityId: 'writer.first', score: 0.9, breakdown },
          { capabilityId: 'writer.third', score: 0.7 },
        ],
      },
    });
  });

  it('is not made up for what the assembler never scored', () => {
    const draft = { nodes: [node('a', 'writer.third'), node('b', 'writer.other')] };
    expect(modelSelections({ draft }, deterministic)).toBeUndefined();
  });
});
