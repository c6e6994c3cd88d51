/** A composition problem as published: which concepts there are (name and parent), what services need and give, what is wanted. */
export interface CompositionProblem {
  readonly name: string;
  readonly concepts: Readonly<Record<string, string | null>>;
  readonly services: readonly {
    readonly name: string;
    readonly inputs: readonly string[];
    readonly outputs: readonly string[];
  }[];
  readonly request: { readonly provided: readonly string[]; readonly wanted: readonly string[] };
}

export interface GeneratorOptions {
  readonly seed: number;
  /** Concepts and services in all; what the layers don't use is noise. */
  readonly concepts: number;
  readonly services: number;
  readonly depth: number;
  /** Concepts made available per layer. */
  readonly width: number;
  /** Services per layer that compete for them. */
  readonly rivals: number;
  /** Most inputs and outputs of a competing service. */
  readonly maxInputs: number;
  readonly maxOutputs: number;
  readonly wanted: number;
}

/** A small seeded generator of uniform integers (mulberry32). */
export function seededIntegers(seed: number): (below: number) => number {
  let state = seed >>> 0;
  return (below) => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return Math.trunc((((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296) * below);
  };
}

interface Service {
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
}

/**
 * A seeded problem in the style of the Web Services Challenge, and harder: layers in which several services offer
 * overlapping parts of what the next layer needs, so that choices interact across layers and greedy ones cost, under a large
 * registry of services that can't run.
 */
export function generateComposition(options: GeneratorOptions): CompositionProblem {
  const random = seededIntegers(options.seed);
  const some = <T>(items: readonly T[], count: number): T[] => {
    const rest = [...items];
    return Array.from({ length: Math.min(count, rest.length) }, () => rest.splice(random(rest.length), 1)[0]!);
  };
  const concepts: Record<string, string | null> = { thing: null };
  const children = new Map<string, string[]>();
  let named = 0;
  const concept = (parent: string): string => {
    named += 1;
    const name = `concept${named}`;
    concepts[name] = parent;
    return name;
  };
  /** A concept that can be asked for, with specialisations that can be offered for it. */
  const family = (): string => {
    const general = concept('thing');
    const first = concept(general);
    children.set(general, [general, first, concept(general), concept(first)]);
    return general;
  };
  const specialised = (name: string): string => children.get(name)![random(children.get(name)!.length)]!;

  const layers: string[][] = [Array.from({ length: 4 }, family)];
  const services: Service[] = [];
  for (let layer = 1; layer <= options.depth; layer += 1) {
    const before = layers[layer - 1]!;
    const here = Array.from({ length: options.width }, family);
    for (let rival = 0; rival < options.rivals; rival += 1) {
      // Each concept has at least one service; the rest overlap at random.
      const sure = rival < options.width ? [here[rival]!] : [];
      const outputs = new Set([...sure, ...some(here, 1 + random(options.maxOutputs))]);
      const earlier = layers[random(layer)]!;
      services.push({
        inputs: [...new Set([...some(before, 1 + random(options.maxInputs)), ...some(earlier, random(2))])],
        outputs: [...outputs].map(specialised),
      });
    }
    layers.push(here);
  }
  const request = { provided: layers[0]!.map(specialised), wanted: some(layers[options.depth]!, options.wanted) };

  const used = Object.keys(concepts);
  const noise = [concept('thing')];
  while (named < options.concepts - 1) noise.push(concept(noise[Math.max(0, noise.length - 1 - random(60))]!));
  while (services.length < options.services)
    services.push({
      inputs: [...some(noise.slice(-500), 1 + random(6)), ...some(used.slice(-50), random(3))],
      outputs: Array.from({ length: 1 + random(9) }, () => noise[random(noise.length)]!),
    });
  const order = some([...services.keys()], services.length);
  return {
    name: `generated-${options.seed}`,
    concepts,
    services: order.map((at, position) => ({ name: `service${position}`, ...services[at]! })),
    request,
  };
}
