/** Variables, those that took part in recent conflicts first: a binary heap by activity. */
export class ActivityOrder {
  private readonly activity: number[] = [];
  private readonly heap: number[] = [];
  /** Where each variable is in the heap, -1 when it isn't. */
  private readonly place: number[] = [];
  private increment = 1;

  /** A new variable; they are numbered from 0. */
  add(variable: number): void {
    this.activity.push(0);
    this.place.push(-1);
    this.insert(variable);
  }

  /** Puts a variable back, unless it is there. */
  insert(variable: number): void {
    if (this.place[variable] !== -1) return;
    this.place[variable] = this.heap.length;
    this.heap.push(variable);
    this.up(this.heap.length - 1);
  }

  /** Takes out the most active variable. */
  pop(): number | undefined {
    const top = this.heap[0];
    const last = this.heap.pop();
    if (top === undefined || last === undefined) return undefined;
    this.place[top] = -1;
    if (this.heap.length > 0) this.down(last);
    return top;
  }

  bump(variable: number): void {
    this.activity[variable]! += this.increment;
    if (this.activity[variable]! > 1e100) {
      for (let at = 0; at < this.activity.length; at += 1) this.activity[at]! *= 1e-100;
      this.increment *= 1e-100;
    }
    if (this.place[variable] !== -1) this.up(this.place[variable]!);
  }

  /** What was bumped before counts less from now on. */
  decay(): void {
    this.increment /= 0.95;
  }

  private up(from: number): void {
    const variable = this.heap[from]!;
    let at = from;
    while (at > 0) {
      const above = (at - 1) >> 1;
      if (this.activity[this.heap[above]!]! >= this.activity[variable]!) break;
      this.set(at, this.heap[above]!);
      at = above;
    }
    this.set(at, variable);
  }

  /** Lets a variable sink from the top. */
  private down(variable: number): void {
    const { heap, activity } = this;
    let at = 0;
    for (;;) {
      let below = 2 * at + 1;
      if (below >= heap.length) break;
      if (below + 1 < heap.length && activity[heap[below + 1]!]! > activity[heap[below]!]!) below += 1;
      if (activity[heap[below]!]! <= activity[variable]!) break;
      this.set(at, heap[below]!);
      at = below;
    }
    this.set(at, variable);
  }

  private set(at: number, variable: number): void {
    this.heap[at] = variable;
    this.place[variable] = at;
  }
}

/** The i-th restart interval (Luby, Sinclair, Zuckerman 1993): 1 1 2 1 1 2 4 … */
export function luby(i: number): number {
  let size = 1;
  while (size < i + 1) size = 2 * size + 1;
  let at = i;
  while (size - 1 !== at) {
    size = (size - 1) >> 1;
    at %= size;
  }
  return (size + 1) >> 1;
}
