// What is known of servers and their models besides what calls have shown: slots, context, abilities, whether a model is
// loaded. The configuration counts before what a server reports, and what it reports of itself before what its list of
// models says. A restart forgets what was reported.

import type { KnownModel, ReportedServer } from '../domain.ts'

export type { Ability, KnownModel } from '../domain.ts'

/** What the configuration says of a provider's models. */
export interface ConfiguredServer extends Pick<KnownModel, 'contextLength' | 'takes'> {
  /** Of single models, by the provider's name, which may have a `*`. Counts before the rest. */
  readonly models?: ReadonlyMap<string, Pick<KnownModel, 'contextLength' | 'takes'>>
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
  /** What the configuration says of names with a `*`. */
  patterns: readonly Pattern[]
  slotsOfModels: ReadonlyMap<string, number>
  /** What its list has said of models in memory no longer counts. */
  isUnreachable: boolean
  busyElsewhere: number
}

const nothing: KnownModel = {}
const noSlots: ReadonlyMap<string, number> = new Map()

export class ServerFacts {
  readonly #servers = new Map<string, Server>()
  /** Called with the provider's name when what is known of it has changed. One listener. */
  onChange: ((provider: string) => void) | undefined

  /** @param model the provider's name for it. @returns the same object until something changes. */
  modelOf(provider: string, model: string): KnownModel {
    const server = this.#servers.get(provider)
    if (server === undefined) return nothing
    return (
      server.known.get(model) ?? (server.patterns.length === 0 ? server.anyModel : matched(server, model))
    )
  }

  /** How many calls a server works at together; undefined: it does not report that. */
  slotsOf(provider: string): number | undefined {
    return this.#servers.get(provider)?.reported.slots
  }

  /** Of a server whose models have slots of their own, by the server's name for each. */
  slotsOfModels(provider: string): ReadonlyMap<string, number> {
    return this.#servers.get(provider)?.slotsOfModels ?? noSlots
  }

  /** Slots that other programs use, as far as that was seen just now. */
  busyElsewhere(provider: string): number {
    return this.#servers.get(provider)?.busyElsewhere ?? 0
  }

  setBusyElsewhere(provider: string, slots: number): void {
    const server = this.#servers.get(provider)
    if (server === undefined || server.busyElsewhere === slots) return
    server.busyElsewhere = slots
    this.onChange?.(provider)
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
    this.#change(provider, { reported, isUnreachable: false })
  }

  /** Forgets what the server has reported of itself, and which models its list has in memory. */
  setUnreachable(provider: string): void {
    this.#change(provider, { reported: {}, isUnreachable: true })
  }

  /** Forgets what a server had in memory that was stopped on purpose: it is expected to come back with the rest. */
  setStopped(provider: string): void {
    const reported = withoutStates(this.#servers.get(provider)?.reported ?? {})
    this.#change(provider, { reported, isUnreachable: true })
  }

  /** @param listed replaces what the list of the provider's models has said before; aliases are names too. */
  setListed(provider: string, listed: ReadonlyMap<string, KnownModel>): void {
    this.#change(provider, { listed })
  }

  /** Forgets what a server has reported: another one is at its place. */
  forget(provider: string): void {
    this.#change(provider, { reported: {}, listed: new Map(), isUnreachable: false })
  }

  #change(
    provider: string,
    change: Partial<Pick<Server, 'configured' | 'isUnreachable' | 'listed' | 'reported'>>,
  ): void {
    let server = this.#servers.get(provider)
    if (server === undefined) {
      server = newServer()
      this.#servers.set(provider, server)
    }
    Object.assign(server, change)
    const { configured, reported, listed, known, isUnreachable } = server
    const { models: named = new Map<string, KnownModel>() } = configured
    const ofProvider = { contextLength: configured.contextLength, takes: configured.takes }
    server.anyModel = joined(ofProvider, reported.anyModel)
    server.patterns = [...named].flatMap(([name, model]) => patternsOf(name, model))
    server.slotsOfModels = slotsIn(reported)
    const ofList = (name: string) => {
      const model = listed.get(name)
      return isUnreachable && model !== undefined ? { ...model, state: undefined } : model
    }
    known.clear()
    for (const name of new Set([...named.keys(), ...listed.keys(), ...(reported.models?.keys() ?? [])])) {
      const said = joined(reported.models?.get(name), joined(reported.anyModel, ofList(name)))
      const ofName = named.get(name) ?? server.patterns.find((each) => fits(each, name))?.model
      known.set(name, joined(ofName, joined(ofProvider, said)))
    }
    this.onChange?.(provider)
  }
}

function withoutStates({ slots, anyModel, models }: ReportedServer): ReportedServer {
  const stateless = (model: KnownModel) => ({ ...model, state: undefined })
  return {
    slots,
    anyModel: anyModel && stateless(anyModel),
    models: models && new Map(Array.from(models, ([name, model]) => [name, stateless(model)])),
  }
}

interface Pattern {
  readonly before: string
  readonly after: string
  readonly model: KnownModel
}

function patternsOf(name: string, model: KnownModel): Pattern[] {
  const [before = '', after] = name.split('*')
  return after === undefined ? [] : [{ before, after, model }]
}

function fits({ before, after }: Pattern, name: string): boolean {
  return name.length > before.length + after.length && name.startsWith(before) && name.endsWith(after)
}

function matched({ patterns, anyModel }: Server, name: string): KnownModel {
  const found = patterns.find((each) => fits(each, name))
  return found === undefined ? anyModel : joined(found.model, anyModel)
}

function newServer(): Server {
  const unknown = { configured: {}, reported: {}, listed: new Map(), known: new Map() }
  return {
    ...unknown,
    anyModel: nothing,
    patterns: [],
    slotsOfModels: noSlots,
    isUnreachable: false,
    busyElsewhere: 0,
  }
}

function slotsIn({ models }: ReportedServer): ReadonlyMap<string, number> {
  const all = [...(models ?? [])].flatMap(([name, { slots }]) =>
    slots === undefined ? [] : [[name, slots] as const],
  )
  return all.length === 0 ? noSlots : new Map(all)
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
