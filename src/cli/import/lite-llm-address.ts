// The base URL of an entry of `model_list`, in our notation. Where it stands in a variable, the value that the variable has at the
// import shows which path it lacks.
import type { Foreign } from './foreign.ts'
import type { LiteLlmKind } from './lite-llm-kinds.ts'
import type { Draft } from './draft.ts'
import { nameOfServer, withoutRoute } from './provider-book.ts'

export interface FoundAddress {
  /** Undefined: the kind has an address of its own. */
  readonly baseUrl: string | undefined
  /** Of the provider, as far as the address has one. */
  readonly name: string | undefined
}

/**
 * @param address is not there where the entry has none.
 * @param form what a written address of this kind becomes.
 * @returns why there is none: a sentence.
 */
export function findAddress(
  address: Foreign,
  { kind, baseUrl, baseVariable }: LiteLlmKind,
  form: (url: string) => string,
  draft: Draft,
): FoundAddress | { readonly refused: string } {
  const usual =
    baseVariable !== undefined && (draft.env[baseVariable] ?? '') !== '' ? baseVariable : undefined
  if (!address.isThere && usual === undefined) {
    if (baseUrl !== undefined || kind === 'anthropic') {
      return { baseUrl: baseUrl === undefined ? undefined : form(baseUrl), name: undefined }
    }
    const where = baseVariable === undefined ? '' : `, which LiteLLM read from ${baseVariable}`
    if (baseVariable !== undefined) draft.unsetVariables.add(baseVariable)
    return { refused: `it has no api_base${where}: write it, and import again` }
  }
  const text = !address.isThere ? `\${${usual}}` : draft.text(address)
  if (text === undefined) return { refused: 'its address (api_base) could not be carried' }
  const variable = /^\$\{([A-Za-z_][A-Za-z0-9_]*)\}/.exec(text)
  if (variable === null) {
    const whole = form(withoutRoute(text))
    return { baseUrl: whole, name: nameOfServer(whole) }
  }
  const [reference, name = ''] = variable
  const value = (draft.env[name] ?? '').replace(/\/+$/, '')
  const whole = form(withoutRoute(value + text.slice(reference.length)))
  // A route that the variable itself ends in cannot be taken off it.
  const isPrefix = whole.startsWith(value)
  if (isPrefix) return { baseUrl: reference + whole.slice(value.length), name: nameOfVariable(name) }
  draft.changed(address, undefined, `${name} has more than the base URL, whose value was copied`)
  const copied = draft.text(address, whole)
  if (copied === undefined) return { refused: 'its address (api_base) could not be carried' }
  return { baseUrl: copied, name: nameOfVariable(name) }
}

/** The base of Azure's v1 API, also at a gateway with a path of its own. */
export function azureBase(url: string): string {
  return `${url
    .replace(/\?.*/, '')
    .replace(/\/openai(?:\/.*)?$/, '')
    .replace(/\/+$/, '')}/openai/v1`
}

/** `azure` for `AZURE_API_BASE`. */
function nameOfVariable(variable: string): string {
  const words = variable.replace(/(?:_(?:API|BASE|URL|URI|ENDPOINT|HOST|ADDRESS|SERVER))+$/i, '')
  return words.toLowerCase().replaceAll('_', '-')
}
