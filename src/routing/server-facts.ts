// What is known of servers and their models besides what calls have shown: slots, context, abilities, whether a model is
// loaded. The configuration counts before what a server reports, and what it reports of itself before what its list of
// models says. A restart forgets what was reported.

import type { Ability, KnownModel, ReportedServer } from '../domain.ts'

export type { Ability, KnownModel } from '../domain.ts'

/** What a provider's entry in the configuration says of its models. */
export interface ConfiguredServer {
  readonly contextLength?: number | undefined
  readonly takes?: ReadonlySet<Ability> | undefined
}

interface Server {
  configured: ConfiguredServer
  reported: ReportedServer
  /** Of its list of models, by each name there. */
  listed: ReadonlyMap<string, KnownModel>
  /** What the three say together, by name; only names that one of them knows. */
  readonly known: Map<string, KnownModel>
  /** Of every other name. */
  anyModel: KnownModel
}

const nothing: KnownModel = {}

export class ServerFacts {
  readonly #servers = new Map<string, Server>()
  /** Called with the provider's name when what is known of it has changed. One listener. */
  onChange: ((provider: string) => void) | undefined

  /** @param model the provider's name for it. @returns the same object until something changes. */
  modelOf(provider: string, model: string): KnownModel {
    const server = this.#servers.get(provider)
    if (server === undefined) return nothing
    return server.known.get(model) ?? server.anyModel
  }

  /** How many calls a server works at together; undefined: it does not report that. */
  slotsOf(provider: string): number | undefined {
    return this.#servers.get(provider)?.reported.slots
  }

  isSleeping(provider: string): boolean {
    return this.#servers.get(provider)?.reported.isSleeping === true
  }

  /** Switches to the providers of another configuration; what others have reported is forgotten. */
  setConfigured(providers: ReadonlyMap<string, ConfiguredServer>): void {
    for (const name of this.#servers.keys()) if (!providers.has(name)) this.#servers.delete(name)
    for (const [name, configured] of providers) this.#change(name, { configured })
  }

  /** @param reported replaces what the server has reported before. */
  setReported(provider: string, reported: ReportedServer): void {
    this.#change(provider, { reported })
  }

  /** @param listed replaces what the list of the provider's models has said before; aliases are names too. */
  setListed(provider: string, listed: ReadonlyMap<string, KnownModel>): void {
    this.#change(provider, { listed })
  }

  /** Forgets what a server has reported: another one is at its place. */
  forget(provider: string): void {
    this.#change(provider, { reported: {}, listed: new Map() })
  }

  #change(provider: string, change: Partial<Pick<Server, 'configured' | 'reported' | 'listed'>>): void {
    let server = this.#servers.get(provider)
    if (server === undefined) {
      server = { configured: {}, reported: {}, listed: new Map(), known: new Map(), anyModel: nothing }
      this.#servers.set(provider, server)
    }
    Object.assign(server, change)
    const { configured, reported, listed, known } = server
    server.anyModel = joined(configured, reported.anyModel)
    known.clear()
    for (const name of new Set([...listed.keys(), ...(reported.models?.keys() ?? [])])) {
      const model = joined(reported.models?.get(name), joined(reported.anyModel, listed.get(name)))
      known.set(name, joined(configured, model))
    }
    this.onChange?.(provider)
  }
}

/** What the first of them says, and of the rest the other one. */
function joined(first: KnownModel | undefined, other: KnownModel | undefined): KnownModel {
  if (first === undefined || other === undefined) return first ?? other ?? nothing
  return {
    contextLength: first.contextLength ?? other.contextLength,
    takes: first.takes ?? other.takes,
    state: first.state ?? other.state,
    slots: first.slots ?? other.slots,
    cacheBytes: first.cacheBytes ?? other.cacheBytes,
  }
}
