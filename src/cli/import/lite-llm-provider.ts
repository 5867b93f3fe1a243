// The provider of an entry of `model_list`: its kind, address, key and timeouts.
import type { RawProvider } from '../../config/raw.ts'
import { formatPath } from '../../platform/key-path.ts'
import type { Draft } from './draft.ts'
import type { Foreign } from './foreign.ts'
import { azureBase, findAddress } from './lite-llm-address.ts'
import { guessedKind, type LiteLlmKind, liteLlmKinds } from './lite-llm-kinds.ts'
import { clamped } from './numbers.ts'
import { type ProviderBook, withVersion } from './provider-book.ts'

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
  const addresses = ['api_base', 'base_url'].map((key) => params.get(key))
  const address = addresses.find((each) => each.isThere) ?? addresses[0]!
  const isAzure = name === 'azure'
  const form = isAzure ? azureBase : kind.needsVersion === true ? withVersion : (url: string) => url
  const found = findAddress(address, kind, form, draft)
  if ('refused' in found) {
    draft.leftOut(params.entry, found.refused)
    return undefined
  }
  // LiteLLM reads the usual key for Azure wherever the address stands; for others it might be sent to somebody else.
  const hasOwnKey = found.name !== undefined && !isAzure
  for (const key of isAzure ? ['api_version'] : []) params.get(key).take()
  const key = params.get('api_key')
  const organization = params.get('organization')
  const provider = book.find(params.entry, {
    kind: kind.kind,
    baseUrl: found.baseUrl,
    name: found.name ?? name,
    identity: JSON.stringify([key.value ?? usualText(kind, hasOwnKey, draft), organization.value]),
    key: (owner) => (key.isThere ? draft.key(key, owner) : usualKey(kind, owner, hasOwnKey, draft)),
    ...(isAzure && { auth: { header: 'api-key' } }),
  })
  const header = draft.text(organization)
  if (header !== undefined) headersOf(draft, provider)['OpenAI-Organization'] = header
  for (const each of ['extra_headers', 'headers']) draft.headers(params.own.get(each), provider)
  return provider
}

/** An entry without a key has the same provider as one that names the usual variable. */
function usualText(kind: LiteLlmKind, isOwnServer: boolean, draft: Draft): string | undefined {
  const usual = usualVariable(kind, draft)
  return usual === undefined || isOwnServer ? undefined : `os.environ/${usual}`
}

function usualVariable({ keyVariables = [] }: LiteLlmKind, { env }: Draft): string | undefined {
  return keyVariables.find((name) => (env[name] ?? '') !== '') ?? keyVariables[0]
}

/** The variable that LiteLLM reads where no key is written: for clouds; a server of one's own has none. */
function usualKey(kind: LiteLlmKind, owner: string, isOwnServer: boolean, draft: Draft) {
  const { keyVariables = [] } = kind
  const usual = usualVariable(kind, draft)
  if (usual === undefined || isOwnServer) return undefined
  const own = keyVariables.map((name) => draft.ownVariables.get(name)).find((each) => each !== undefined)
  if (own !== undefined) return draft.literalKey(own, owner)
  return draft.variable(usual)
}

function headersOf(draft: Draft, provider: string): NonNullable<RawProvider['headers']> {
  return (draft.config.providers[provider]!.headers ??= {})
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
