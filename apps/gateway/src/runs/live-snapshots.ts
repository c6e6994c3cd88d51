import type { RegistrySnapshot } from '@flex/contracts';
import type { RegistryMirror } from '@flex/events';

/**
 * The live registry for judgements. What is not there may have been published a moment ago through another replica: nothing
 * is refused before this one has caught up.
 */
export class LiveSnapshots {
  constructor(private readonly mirror: RegistryMirror) {}

  /** Of the last change that was seen here. */
  get revision(): number {
    return this.mirror.revision;
  }

  async judge<T>(
    tenant: string,
    judgement: (snapshot: RegistrySnapshot) => T,
    fine: (result: T) => boolean,
  ): Promise<T> {
    const first = judgement(this.mirror.snapshot(tenant));
    if (fine(first) || !(await this.mirror.catchUp().catch(() => false))) return first;
    return judgement(this.mirror.snapshot(tenant));
  }
}
