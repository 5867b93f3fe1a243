// What a provider's error response or a failed connection means, and how to fix it.
import type { HttpProvider } from '../../config/provider-types.ts'
import { readErrorCode } from '../../dialects/openai/errors.ts'
import type { ResponseHead } from '../../domain.ts'
import { membersOf, parseJson } from '../../bytes/json/parse.ts'
import { shellWord } from '../../platform/shell-word.ts'
import { maskKeyShapes } from '../../upstream/mask.ts'
import type { ProviderFailure } from '../../upstream/provider.ts'
import { errorReaders } from '../../upstream/providers/kinds.ts'
import { exampleCredential } from '../suggest.ts'
import { shortened, type State } from './finding.ts'

export interface Diagnosis {
  /** `key`: the key was refused; `billing`: the account has no credit. */
  readonly kind: 'key' | 'billing' | 'other'
  readonly state: State
  readonly detail: string
  readonly fix: string | undefined
}

/** The provider that responded. */
export interface ProviderContext {
  readonly config: HttpProvider
  /** Replaces the provider's own secrets in text that it sent. Must run before the text is shortened. */
  readonly mask: (text: string) => string
  /** How to call this program from the current shell. */
  readonly command: string
  /** How to provide an optional key that was not found. */
  readonly optionalKeyFix?: string | undefined
}

/** @param head of a response with another status than 200. */
export function diagnoseResponse(
  { status, headers }: ResponseHead,
  body: Buffer,
  { config: provider, mask, command, optionalKeyFix }: ProviderContext,
): Diagnosis {
  const text = mask(body.toString())
  const message = errorMessageOf(text)
  const detail = `returned ${status}${message === '' ? '' : `: ${message}`}`
  const entry = `providers.${provider.name}`
  const meaning = errorReaders[provider.kind]({ status, code: readErrorCode(body), body })
  if (status === 401 || status === 403) {
    // The provider's message may quote part of the key.
    return {
      kind: 'key',
      state: 'fail',
      detail: `rejected (${status})`,
      fix: optionalKeyFix ?? keyFix(provider, command),
    }
  }
  if (meaning === 'billing') {
    const fix = `add credit or raise the spending limit of the account at ${provider.origin}`
    return { kind: 'billing', state: 'fail', detail, fix }
  }
  if (status >= 300 && status < 400) {
    const { location } = headers
    const to = typeof location === 'string' ? ` to ${shortened(mask(location), 100)}` : ''
    const fix = `set ${entry}.base_url to the final address; redirects are not followed`
    return { kind: 'other', state: 'fail', detail: `redirects (${status})${to}`, fix }
  }
  if (status === 404) {
    const fix = `check that ${entry}.base_url is the address of the API (it often ends in /v1) and that the model exists`
    return { kind: 'other', state: 'fail', detail, fix }
  }
  if (status === 429) {
    return { kind: 'other', state: 'warn', detail, fix: "this is the provider's own limit: try again later" }
  }
  if (meaning === 'loading') {
    return { kind: 'other', state: 'warn', detail: 'is loading a model', fix: 'try again once it is loaded' }
  }
  if (status >= 500) return { kind: 'other', state: 'fail', detail, fix: serverLogFix }
  return { kind: 'other', state: 'fail', detail, fix: undefined }
}

export const serverLogFix = "check that server's log"

export function baseUrlFix(provider: string): string {
  return `check that providers.${provider}.base_url is the address of the API; it often ends in /v1`
}

function keyFix({ name, apiKey }: HttpProvider, command: string): string {
  const provider = shellWord(name)
  if (apiKey === undefined) {
    return `it requires a key: add api_key: { credential: ${exampleCredential(name)} } to providers.${name}, then run: ${command} credential set ${provider}`
  }
  const [kind, ...rest] = apiKey.source.split(' ')
  const source = rest.join(' ')
  if (kind === 'credential') return `${command} credential rotate ${provider}`
  return kind === 'env' ? `set $${source} to a valid key` : `write a valid key to ${source}`
}

/** The message of a provider's error, in any of the usual shapes; empty for HTML. */
export function errorMessageOf(text: string): string {
  return quotable(rawMessageOf(text))
}

/** Text of a provider, fit to be printed. @param text already masked. */
export function quotable(text: string): string {
  return shortened(maskKeyShapes(text))
}

function rawMessageOf(text: string): string {
  const root = parseJson(text)
  if (root === undefined) return /^\s*</.test(text) ? '' : text.slice(0, 1_000)
  const { error, message, detail } = membersOf(Array.isArray(root) ? root[0] : root)
  const candidates = [membersOf(error)['message'], error, message, detail]
  return candidates.find((value) => typeof value === 'string') ?? ''
}

/** Why no connection was made, or none that carries HTTP. */
export function diagnoseFailure(
  { kind, code, detail }: ProviderFailure,
  provider: HttpProvider,
): Pick<Diagnosis, 'detail' | 'fix'> {
  const entry = `providers.${provider.name}`
  const tls = tlsErrors.find(({ form }) => form.test(code))
  if (tls !== undefined) return { detail: `${tls.detail} (${code})`, fix: tls.fix(entry) }
  if (kind === 'unreachable') return { detail, fix: unreachableFix(code, provider) }
  if (kind === 'timeout') {
    return { detail, fix: `${serverLogFix}; --timeout SECONDS waits longer` }
  }
  // undici sometimes reports parser errors without a code.
  const isNotHttp = code === 'UNKNOWN' || code.startsWith('HPE_')
  const hint = provider.origin.startsWith('http:')
    ? `, or use https:// in ${entry}.base_url if it requires TLS`
    : ''
  return {
    detail: isNotHttp ? 'the response is not HTTP' : detail,
    fix: `check which program listens at ${provider.origin}${hint}`,
  }
}

const trustFix = () =>
  'make Node trust the certificate authority that signed it: NODE_EXTRA_CA_CERTS=/path/ca.pem (for the service: Environment= in a drop-in)'

const clockFix = "correct this machine's clock (timedatectl)"

/** By Node's error code. */
const tlsErrors: readonly { form: RegExp; detail: string; fix: (entry: string) => string }[] = [
  {
    form: /^CERT_HAS_EXPIRED$/,
    detail: 'its certificate has expired',
    fix: () => `renew the server's certificate; if it has not expired, ${clockFix}`,
  },
  { form: /^CERT_NOT_YET_VALID$/, detail: 'its certificate is not valid yet', fix: () => clockFix },
  {
    form: /^ERR_TLS_CERT_ALTNAME_INVALID$/,
    detail: 'its certificate is for another name',
    fix: (entry) => `use the name in the certificate in ${entry}.base_url`,
  },
  {
    form: /SELF_SIGNED|UNABLE_TO_|CERT_UNTRUSTED|CERT_SIGNATURE/,
    detail: 'its certificate is not signed by a trusted authority',
    fix: trustFix,
  },
  {
    form: /^(?:EPROTO|ERR_SSL_.*)$/,
    detail: 'the TLS handshake failed',
    fix: (entry) => `if that server is local and uses plain HTTP, use http:// in ${entry}.base_url`,
  },
]

/** How to start the server that usually listens on a port. */
const startCommands: Readonly<Record<string, string>> = {
  '11434': 'ollama serve   # or: sudo systemctl start ollama',
  '8000': 'start vLLM: vllm serve MODEL --port 8000',
  '8080': 'start llama.cpp: llama-server -m MODEL.gguf --port 8080',
  '1234': "start LM Studio's server: lms server start",
}

function unreachableFix(code: string, { name, origin, isLocal, boundary }: HttpProvider): string {
  const setting = `providers.${name}.base_url`
  if (code === 'ENOTFOUND') return `the host does not exist: correct ${setting}`
  if (code === 'EAI_AGAIN') return "no name server responds: check this machine's network (resolvectl query)"
  if (code === 'PROXY_FAILED') return `check the proxy, or set providers.${name}.proxy: none`
  if (code === 'ADDRESS_NOT_ALLOWED') {
    if (boundary === 'local') return `write 127.0.0.1 in ${setting}, or correct what the name resolves to`
    return `use https:// in ${setting}, or allow plain HTTP with providers.${name}.allow_http: true`
  }
  if (!isLocal) return `check this machine's network and firewall, or correct ${setting}`
  return startCommands[new URL(origin).port] ?? `start the server at ${origin}, or correct ${setting}`
}
