import { Controller, UseInterceptors } from '@nestjs/common';
import {
  Rejection,
  type Capability,
  type Facet,
  type RegisteredCapability,
  type RegistrySnapshot,
} from '@flex/contracts';
import { GatewayParts } from '../gateway-parts.js';
import type { Caller, GatewayRequest } from '../security/caller.js';
import type { CompiledContract } from '../runs/plan-preview.js';
import { Once } from './once.js';
import { Incoming, Operation } from './operation.js';
import { pageByName } from './pagination.js';
import { refuse } from './problems.js';

/** How long an answer waits until this replica sees the change; whoever asks for it later waits on (LiveSnapshots). */
const SEEN_MS = 2_000;

/** Capabilities and facets: read from the live registry's mirror, changed by asking the registry. */
@Controller()
@UseInterceptors(Once)
export class RegistryController {
  constructor(private readonly parts: GatewayParts) {}

  @Operation('listCapabilities')
  capabilities(@Incoming() request: GatewayRequest) {
    const { status = 'all', facet, kind, ...query } = request.query as Record<string, string | undefined>;
    const { revision, capabilities } = this.parts.mirror.snapshot(request.caller.tenant);
    const fits = (capability: RegisteredCapability): boolean =>
      (status === 'all' || capability.status === status) &&
      (kind === undefined || capability.kind === kind) &&
      (facet === undefined ||
        capability.outputFacets.includes(facet) ||
        capability.inputFacets.some((input) => input.facet === facet));
    return { revision, ...pageByName(capabilities, fits, query) };
  }

  @Operation('getCapability')
  capability(@Incoming() request: GatewayRequest): Promise<RegisteredCapability> {
    return this.#capability(request.params['capabilityId']!, request.caller);
  }

  @Operation('registerCapability')
  async register(@Incoming() request: GatewayRequest) {
    const capability = { ...(request.body as Capability), tenant: tenantOf(request.body, request.caller, '') };
    return this.#ask('/capability', () => this.parts.registry.register(capability));
  }

  @Operation('registerMany')
  async registerMany(@Incoming() request: GatewayRequest) {
    const { facets = [], capabilities = [] } = request.body as { facets?: Facet[]; capabilities?: Capability[] };
    const own = <T extends object>(entries: T[], name: string): T[] =>
      entries.map((entry, index) => ({ ...entry, tenant: tenantOf(entry, request.caller, `/${name}/${index}`) }));
    const entries = { facets: own(facets, 'facets'), capabilities: own(capabilities, 'capabilities') };
    return this.#ask('', () => this.parts.registry.registerMany(entries));
  }

  @Operation('heartbeat')
  async heartbeat(@Incoming() request: GatewayRequest): Promise<void> {
    const { instance } = request.body as { instance?: string };
    const capability = await this.#own(request.params['capabilityId']!, request.caller);
    await this.parts.registry.heartbeat(capability.capabilityId, request.caller.tenant, instance);
  }

  @Operation('deregister')
  async deregister(@Incoming() request: GatewayRequest) {
    const { capabilityId } = await this.#own(request.params['capabilityId']!, request.caller);
    return this.#ask('', () => this.parts.registry.deregister(capabilityId, request.caller.tenant));
  }

  @Operation('listFacets')
  facets(@Incoming() request: GatewayRequest) {
    const { direction, tag, ...query } = request.query as Record<string, string | undefined>;
    const { revision, facets } = this.parts.mirror.snapshot(request.caller.tenant);
    const fits = (facet: Facet): boolean =>
      (direction === undefined || facet.direction === direction) &&
      (tag === undefined || facet.tags?.includes(tag) === true);
    return { revision, ...pageByName(facets, fits, query) };
  }

  @Operation('getFacet')
  async facet(@Incoming() request: GatewayRequest): Promise<Facet> {
    const name = request.params['name']!;
    const facet = await this.#find(request.caller, ({ facets }) => facets.get(name));
    if (!facet) throw refuse.notFound('facet', name);
    return facet;
  }

  @Operation('listFacetVersions')
  async versions(@Incoming() request: GatewayRequest) {
    const { name, tenant } = await this.facet(request);
    const versions = await this.parts.registry.facetVersions(name, tenant);
    return {
      revision: this.parts.mirror.revision,
      items: versions.map(({ facet, version }) => ({ ...facet, version })),
    };
  }

  @Operation('publishFacet')
  async publish(@Incoming() request: GatewayRequest) {
    const facet = { ...(request.body as Facet), tenant: tenantOf(request.body, request.caller, '') };
    return this.#ask('/facet', () => this.parts.registry.publishFacet(facet));
  }

  @Operation('compileFacets')
  compile(@Incoming() request: GatewayRequest): Promise<CompiledContract> {
    const { facets, direction } = request.body as { facets: string[]; direction: 'input' | 'output' };
    return this.parts.live.judge(
      request.caller.tenant,
      (snapshot) => this.parts.preview.facets(facets, direction, snapshot),
      ({ diagnostics }) => diagnostics.length === 0,
    );
  }

  #find<T>({ tenant }: Caller, look: (snapshot: RegistrySnapshot) => T | undefined): Promise<T | undefined> {
    return this.parts.live.judge(tenant, look, (found) => found !== undefined);
  }

  async #capability(capabilityId: string, caller: Caller): Promise<RegisteredCapability> {
    const capability = await this.#find(caller, ({ capabilities }) => capabilities.get(capabilityId));
    if (!capability) throw refuse.notFound('capability', capabilityId);
    return capability;
  }

  /** The shared ones of the default tenant are there to be used, not to be changed by others. */
  async #own(capabilityId: string, caller: Caller): Promise<RegisteredCapability> {
    const capability = await this.#capability(capabilityId, caller);
    if ((capability.tenant ?? 'default') !== caller.tenant) throw refuse.notFound('capability', capabilityId);
    return capability;
  }

  /** Asks, waits until this replica sees the change, and makes pointers of a refusal point into the request's body. */
  async #ask<T extends { revision: number }>(prefix: string, question: () => Promise<T>): Promise<T> {
    try {
      const answer = await question();
      await this.parts.mirror.reached(answer.revision, AbortSignal.timeout(SEEN_MS)).catch(() => undefined);
      return answer;
    } catch (error) {
      if (!(error instanceof Rejection) || prefix === '') throw error;
      const errors = error.problem.errors?.map((issue) => ({
        ...issue,
        pointer: issue.pointer.startsWith(prefix) ? issue.pointer.slice(prefix.length) : issue.pointer,
      }));
      throw new Rejection({ ...error.problem, errors });
    }
  }
}

/** Nobody writes into another tenant. */
function tenantOf(entry: unknown, caller: Caller, pointer: string): string {
  const given = (entry as { tenant?: string }).tenant;
  if (given !== undefined && given !== caller.tenant) throw refuse.forbidden(`${pointer}/tenant is not yours`);
  return caller.tenant;
}
