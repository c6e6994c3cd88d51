import { simulate } from '../simulation/simulate.js';

const FIRST = Number(process.env['FLEX_SIM_SEED'] ?? 1);
const SCHEDULES = Number(process.env['FLEX_SIM_SCHEDULES'] ?? 10_000);

describe('the core under every schedule', () => {
  it(`keeps its invariants in ${SCHEDULES} seeded schedules`, () => {
    for (let seed = FIRST; seed < FIRST + SCHEDULES; seed++) {
      const { violation } = simulate(seed);
      if (violation)
        throw new Error(
          `seed ${seed}: ${violation}\nreproduce: FLEX_SIM_SEED=${seed} FLEX_SIM_SCHEDULES=1 ./flex jest core.unit`,
        );
    }
  });
});
