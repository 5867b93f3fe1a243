// What a provider's refusal or silence means for people, and what to do about it.
import type { HttpProvider } from '../../config/types.ts'
import { readErrorCode } from '../../dialects/openai/errors.ts'
import type { ResponseHead } from '../../domain.ts'
import type { ProviderFailure } from '../../upstream/provider.ts'
import { errorReaders } from '../../upstream/providers/kinds.ts'
import { shellWord } from '../../shell-word.ts'
import { shortened, type State } from './finding.ts'

export interface Trouble {
  /** `key`: refused for who asks; `billing`: for want of money. */
  readonly kind: 'key' | 'billing' | 'other'
  readonly state: State
  readonly detail: string
  readonly fix: string | undefined
}

/** Who was asked. */
export interface Asked {
  readonly config: HttpProvider
  /** Takes the provider's own secrets out of what it sent. To be used before anything is cut off. */
  readonly mask: (text: string) => string
  /** How this program is called here. */
  readonly command: string
}

/** What an answer of another status than 200 means. */
export function troubleOf(
  { status, headers }: ResponseHead,
  body: Buffer,
  { config: provider, mask, command }: Asked,
): Trouble {
  const text = mask(body.toString())
  const said = messageOf(text)
  const detail = `answers ${status}${said === '' ? '' : `: ${said}`}`
  const entry = `providers.${provider.name}`
  const meaning = errorReaders[provider.kind]({ status, code: readErrorCode(body), body })
  if (status === 401 || status === 403) {
    // A provider's words on a key may quote a part of it.
    return { kind: 'key', state: 'fail', detail: `refused (${status})`, fix: keyFix(provider, command) }
  }
  if (meaning === 'billing') {
    const fix = `pay, or raise the limit, in the account at ${provider.origin}`
    return { kind: 'billing', state: 'fail', detail, fix }
  }
  if (status >= 300 && status < 400) {
    const { location } = headers
    const to = typeof location === 'string' ? ` to ${shortened(mask(location), 100)}` : ''
    const fix = `write the address that it leads to into ${entry}.base_url; redirects are not followed`
    return { kind: 'other', state: 'fail', detail: `redirects (${status})${to}`, fix }
  }
  if (status === 404) {
    const fix = `see whether ${entry}.base_url is the API's (it often ends in /v1), and whether the model is there`
    return { kind: 'other', state: 'fail', detail, fix }
  }
  if (status === 429) return { kind: 'other', state: 'warn', detail, fix: 'its own limit: ask again later' }
  if (meaning === 'loading') {
    return { kind: 'other', state: 'warn', detail: 'is loading a model', fix: 'ask again when it has' }
  }
  if (status >= 500) return { kind: 'other', state: 'fail', detail, fix: "look into that server's log" }
  return { kind: 'other', state: 'fail', detail, fix: undefined }
}

function keyFix({ name, apiKey }: HttpProvider, command: string): string {
  const provider = shellWord(name)
  if (apiKey === undefined) {
    const credential = `${name.toLowerCase().replaceAll(/[^a-z0-9]+/g, '_')}_api_key`
    return `it wants a key: write api_key: { credential: ${credential} } into providers.${name}, then ${command} credential set ${provider}`
  }
  const [kind, ...rest] = apiKey.source.split(' ')
  const place = rest.join(' ')
  if (kind === 'credential') return `${command} credential rotate ${provider}`
  return kind === 'env' ? `put a valid key into $${place}` : `write a valid key to ${place}`
}

/** The provider's words, from the shapes in which servers put them; never a page of HTML. */
export function messageOf(text: string): string {
  return quotable(wordsOf(text))
}

/** What a provider sent, for people. The provider's own secrets are to be out of it already. */
export function quotable(text: string): string {
  return shortened(text.replaceAll(keyShape, '[key]'))
}

/** What a provider repeats of a key is often a part of it, which no mask of the whole key finds. */
const keyShape = /(?<![A-Za-z0-9])(?:sk|pk|gsk|hf|xai|r8|pplx|key)[-_][\w*.…-]{4,}/g

function wordsOf(text: string): string {
  let root: unknown
  try {
    root = JSON.parse(text)
  } catch {
    return /^\s*</.test(text) ? '' : text.slice(0, 1_000)
  }
  const { error, message, detail } = fields(Array.isArray(root) ? root[0] : root)
  const words = [fields(error)['message'], error, message, detail].find((value) => typeof value === 'string')
  return words ?? ''
}

function fields(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {}
}

/** What keeps a connection from standing, or from carrying HTTP. */
export function failureTrouble(
  { kind, code, detail }: ProviderFailure,
  provider: HttpProvider,
): Pick<Trouble, 'detail' | 'fix'> {
  const entry = `providers.${provider.name}`
  const tls = tlsTroubles.find(({ form }) => form.test(code))
  if (tls !== undefined) return { detail: `${tls.detail} (${code})`, fix: tls.fix(entry) }
  if (kind === 'unreachable') return { detail, fix: unreachableFix(code, provider) }
  if (kind === 'timeout') {
    return { detail, fix: `look into that server's log; --timeout SECONDS waits longer` }
  }
  // undici gives its parser's errors no code at times.
  const isGarbage = code === 'UNKNOWN' || code.startsWith('HPE_')
  const hint = provider.origin.startsWith('http:')
    ? `, or write https:// in ${entry}.base_url if it wants TLS`
    : ''
  return {
    detail: isGarbage ? 'what comes is no HTTP' : detail,
    fix: `see what listens at ${provider.origin}${hint}`,
  }
}

const trustFix = () =>
  'give Node the certificate authority that signed it: NODE_EXTRA_CA_CERTS=/path/ca.pem (for the service: Environment= in a drop-in)'

const tlsTroubles: readonly { form: RegExp; detail: string; fix: (entry: string) => string }[] = [
  {
    form: /^CERT_HAS_EXPIRED$/,
    detail: 'its certificate has expired',
    fix: () => "renew the server's certificate; if it is good, set this machine's clock (timedatectl)",
  },
  {
    form: /^CERT_NOT_YET_VALID$/,
    detail: 'its certificate is not valid yet',
    fix: () => "set this machine's clock (timedatectl)",
  },
  {
    form: /^ERR_TLS_CERT_ALTNAME_INVALID$/,
    detail: 'its certificate is for another name',
    fix: (entry) => `write the name that the certificate is for into ${entry}.base_url`,
  },
  {
    form: /SELF_SIGNED|UNABLE_TO_|CERT_UNTRUSTED|CERT_SIGNATURE/,
    detail: 'its certificate is signed by nobody whom this machine trusts',
    fix: trustFix,
  },
  {
    form: /^(?:EPROTO|ERR_SSL_.*)$/,
    detail: 'no TLS connection could be made',
    fix: (entry) => `if that server speaks plain HTTP and is local, write http:// into ${entry}.base_url`,
  },
]

/** How to start the server that usually has the port. */
const starts: Readonly<Record<string, string>> = {
  '11434': 'ollama serve   # or: sudo systemctl start ollama',
  '8000': 'start vLLM: vllm serve MODEL --port 8000',
  '8080': 'start llama.cpp: llama-server -m MODEL.gguf --port 8080',
  '1234': 'start the server of LM Studio: lms server start',
}

function unreachableFix(code: string, { name, origin, isLocal }: HttpProvider): string {
  const address = `providers.${name}.base_url`
  if (code === 'ENOTFOUND') return `there is no such host: correct ${address}`
  if (code === 'EAI_AGAIN')
    return 'no name server answers: look at the network of this machine (resolvectl query)'
  if (!isLocal) return `look at the network and the firewall of this machine; or correct ${address}`
  return starts[new URL(origin).port] ?? `start the server at ${origin}, or correct ${address}`
}
