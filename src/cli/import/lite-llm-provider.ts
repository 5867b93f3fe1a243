// The provider of an entry of `model_list`: its kind, address, key and timeouts.
import type { RawProvider } from '../../config/raw.ts'
import { formatPath } from '../../platform/key-path.ts'
import type { Draft } from './draft.ts'
import type { Foreign } from './foreign.ts'
import { guessedKind, type LiteLlmKind, liteLlmKinds } from './lite-llm-kinds.ts'
import { clamped } from './numbers.ts'
import { nameOfServer, type ProviderBook, withoutRoute, withVersion } from './provider-book.ts'

/** Where keys of an entry may stand besides the entry. */
export interface OtherPlaces {
  readonly credentials: ReadonlyMap<string, Foreign>
  /** `router_settings.default_litellm_params`. */
  readonly defaults: Foreign
}

/** Looks keys of an entry up: in the entry, in the credentials that it names, in the defaults. */
export class Parameters {
  readonly entry: Foreign
  readonly own: Foreign
  readonly #others: readonly Foreign[]

  constructor(entry: Foreign, { credentials, defaults }: OtherPlaces) {
    this.entry = entry
    this.own = entry.get('litellm_params')
    const name = this.own.get('litellm_credential_name').text()
    const named = name === undefined ? undefined : credentials.get(name)
    this.#others = [...(named === undefined ? [] : [named]), defaults]
  }

  get(key: string): Foreign {
    const own = this.own.get(key)
    if (own.isThere) return own
    return this.#others.map((each) => each.get(key)).find((each) => each.isThere) ?? own
  }

  /** rpm and the like stand in any of three places; the first one counts. */
  limit(key: string): number | undefined {
    const places = [this.entry.get(key), this.get(key), this.entry.at('model_info', key)]
    const found = places.map((place) => place.number()).filter((each) => each !== undefined)
    return found.find((each) => each > 0)
  }
}

export function splitModel(
  whole: string,
  custom: string | undefined,
): { kind: LiteLlmKind | undefined; model: string; name: string } {
  const slash = whole.indexOf('/')
  const prefix = slash < 0 ? '' : whole.slice(0, slash)
  const rest = whole.slice(slash + 1)
  if (custom !== undefined) {
    return { kind: liteLlmKinds.get(custom), model: prefix === custom ? rest : whole, name: custom }
  }
  const known = liteLlmKinds.get(prefix)
  if (known !== undefined) return { kind: known, model: rest, name: prefix }
  const guessed = guessedKind(whole) ?? ''
  return { kind: liteLlmKinds.get(guessed), model: whole, name: guessed }
}

export function findProvider(
  params: Parameters,
  kind: LiteLlmKind,
  name: string,
  draft: Draft,
  book: ProviderBook,
): string | undefined {
  const address = ['api_base', 'base_url'].map((key) => params.get(key)).find((each) => each.isThere)
  const text = address === undefined ? undefined : draft.text(address)
  if (address !== undefined && text === undefined) {
    draft.leftOut(params.entry, 'its address (api_base) could not be carried')
    return undefined
  }
  const baseUrl = text === undefined ? kind.baseUrl : withoutRoute(text)
  const isAzure = name === 'azure'
  if (baseUrl === undefined && kind.kind !== 'anthropic') {
    const where = kind.baseVariable === undefined ? '' : `, which LiteLLM read from ${kind.baseVariable}`
    draft.leftOut(params.entry, `it has no api_base${where}: write it, and import again`)
    return undefined
  }
  const full = isAzure ? azureBase(baseUrl!) : kind.needsVersion === true ? withVersion(baseUrl!) : baseUrl
  for (const key of isAzure ? ['api_version'] : []) params.get(key).take()
  const key = params.get('api_key')
  const organization = params.get('organization')
  const provider = book.find(params.entry, {
    kind: kind.kind,
    baseUrl: full,
    name: text === undefined ? name : nameOfServer(text),
    identity: JSON.stringify([key.value ?? usualText(kind, text !== undefined), organization.value]),
    key: (owner) => (key.isThere ? draft.key(key, owner) : usualKey(kind, owner, text !== undefined, draft)),
    ...(isAzure && { auth: { header: 'api-key' } }),
  })
  const header = draft.text(organization)
  if (header !== undefined) headersOf(draft, provider)['OpenAI-Organization'] = header
  for (const each of ['extra_headers', 'headers']) draft.headers(params.own.get(each), provider)
  return provider
}

/** An entry without a key has the same provider as one that names the usual variable. */
function usualText({ keyVariables = [] }: LiteLlmKind, isOwnServer: boolean): string | undefined {
  return keyVariables[0] === undefined || isOwnServer ? undefined : `os.environ/${keyVariables[0]}`
}

/** The variable that LiteLLM reads where no key is written: for clouds; a server of one's own has none. */
function usualKey({ keyVariables = [] }: LiteLlmKind, owner: string, isOwnServer: boolean, draft: Draft) {
  const [usual] = keyVariables
  if (usual === undefined || isOwnServer) return undefined
  const own = keyVariables.map((name) => draft.ownVariables.get(name)).find((each) => each !== undefined)
  if (own !== undefined) return draft.literalKey(own, owner)
  return draft.variable(keyVariables.find((name) => (draft.env[name] ?? '') !== '') ?? usual)
}

function headersOf(draft: Draft, provider: string): NonNullable<RawProvider['headers']> {
  return (draft.config.providers[provider]!.headers ??= {})
}

function azureBase(url: string): string {
  const origin = URL.parse(url)?.origin
  return origin === undefined || origin === 'null' ? url : `${origin}/openai/v1`
}

/** Timeouts of an entry; those of `default_litellm_params` come after the settings of the file. */
export function setTimeouts(params: Parameters, draft: Draft, provider: string): void {
  const entry = draft.config.providers[provider]!
  for (const [ours, theirs] of [
    ['total_ms', ['timeout', 'request_timeout']],
    ['first_byte_ms', ['stream_timeout']],
  ] as const) {
    const found = firstSeconds(
      theirs.map((key) => params.own.get(key)),
      draft,
    )
    if (found === undefined) continue
    const before = entry.timeouts?.[ours]
    entry.timeouts = { ...entry.timeouts, [ours]: Math.max(found.ms, before ?? 0) }
    draft.changed(
      found.place,
      ['providers', provider],
      'timeouts belong to a provider here; the longest one among its models applies',
    )
  }
}

/** The first timeout that is not zero, which LiteLLM takes for none; the others are noted. */
export function firstSeconds(
  places: readonly Foreign[],
  draft: Draft,
): { readonly place: Foreign; readonly ms: number } | undefined {
  const place = prevailing(places, (number) => number > 0, draft)
  return place === undefined ? undefined : { place, ms: clamped(place.number()! * 1000, 0, 86_400_000) }
}

/** The first of several places of a setting whose number counts, as LiteLLM takes them; the others are noted. */
export function prevailing(
  places: readonly Foreign[],
  counts: (number: number) => boolean,
  draft: Draft,
): Foreign | undefined {
  const found = places.find((place) => {
    const number = place.number()
    return number !== undefined && counts(number)
  })
  for (const place of places) {
    if (place === found || place.number() === undefined) continue
    const winner = found === undefined ? undefined : formatPath(found.path)
    draft.leftOut(
      place,
      winner === undefined ? 'it has no effect there' : `${winner} takes precedence over it`,
    )
  }
  return found
}
