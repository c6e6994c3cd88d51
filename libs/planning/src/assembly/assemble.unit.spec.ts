import { example, outline, planFor } from './seed-catalogue.spec.js';

describe('x', () => {
  it.each(['linkedin-variants', 'blog-two-branches', 'rejection-letter', 'qa-replan', 'human-approval'])(
    '%s',
    (name) => {
      const plan = planFor(example(name));
      console.log(
        outline(plan).join('\n'),
        JSON.stringify(plan.diagnostics, null, 1),
        JSON.stringify(plan.validated?.diagnostics, null, 1),
        plan.selections,
        JSON.stringify(plan.validated?.plan?.output),
      );
    },
  );
});
