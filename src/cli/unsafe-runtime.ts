// Settings of Node that would break the gateway's guarantees: a lax parser, unverified TLS, keys in debug output, a
// debugger through which any program of the machine can read memory. The gateway does not start with them.
import { url as inspectorUrl } from 'node:inspector'

export interface Runtime {
  readonly env: NodeJS.ProcessEnv
  /** Node's own options on the command line. */
  readonly execArgv: readonly string[]
  /** The address of an open inspector. */
  readonly inspectorUrl: string | undefined
}

export function currentRuntime(env: NodeJS.ProcessEnv): Runtime {
  return { env, execArgv: process.execArgv, inspectorUrl: inspectorUrl() }
}

/** One sentence for each setting that must be removed before the gateway starts. Values of variables are not repeated. */
export function unsafeSettings({ env, execArgv, inspectorUrl: inspector }: Runtime): string[] {
  const found: string[] = []
  const options = [...execArgv, ...(env['NODE_OPTIONS'] ?? '').split(/[\s"']+/)]
  for (const { form, risk } of unsafeOptions) {
    const option = options.find((each) => form.test(normalOption(each)) && !isOff(each))
    if (option !== undefined) found.push(`Node's option ${normalOption(option)} ${risk}.`)
  }
  const hasInspectOption = options.some((each) => inspectForm.test(normalOption(each)))
  if (inspector !== undefined && !hasInspectOption) found.push(`An inspector is open: it ${inspectRisk}.`)
  if (env['NODE_TLS_REJECT_UNAUTHORIZED'] === '0') {
    const hint = 'Trust the certificate authority instead: NODE_EXTRA_CA_CERTS=FILE'
    found.push(
      `NODE_TLS_REJECT_UNAUTHORIZED=0 sends keys to servers whose identity is not verified. ${hint}.`,
    )
  }
  const section = verboseSection(env['NODE_DEBUG'])
  if (section !== undefined) found.push(`NODE_DEBUG with ${section} writes keys and prompts to the log.`)
  return found
}

/** The options that open the inspector. Others only configure it, and the test runner sets some of those. */
const inspectForm = /^--inspect(?:-brk(?:-node)?|-wait)?$/
const inspectRisk = 'lets other programs read keys and prompts from memory'

/** Sorted. */
const unsafeOptions: readonly { form: RegExp; risk: string }[] = [
  { form: inspectForm, risk: inspectRisk },
  {
    form: /^--heapsnapshot-(?:near-heap-limit|signal)$/,
    risk: 'writes the memory of the gateway, keys and prompts included, to a file',
  },
  { form: /^--insecure-http-parser$/, risk: 'accepts malformed requests, which allows request smuggling' },
  { form: /^--security-revert$/, risk: 'brings back a security fault that Node has corrected' },
  { form: /^--tls-keylog$/, risk: 'writes the secrets that decrypt connections to providers' },
  { form: /^--tls-min-v1\.[01]$/, risk: 'allows versions of TLS that are broken' },
  { form: /^--trace-tls$/, risk: 'writes TLS traffic to the log' },
]

/** Without its value, and with dashes: Node also accepts `--insecure_http_parser`. */
function normalOption(option: string): string {
  return option.replace(/=.*/s, '').replaceAll('_', '-')
}

/** An option with the value that it has by default, as the test runner passes all of its own on. */
function isOff(option: string): boolean {
  return /^--heapsnapshot[-_].*=0?$/.test(option)
}

/** Sections of NODE_DEBUG that print headers or bodies. */
const verboseSections = ['http', 'http2', 'https', 'net', 'stream', 'tls', 'undici', 'fetch', 'websocket']

/** NODE_DEBUG is a comma-separated list, case-insensitive, in which `*` stands for anything. */
function verboseSection(debug = ''): string | undefined {
  const patterns = debug
    .split(',')
    .map((name) => name.trim())
    .filter((name) => name !== '')
    .map((name) => new RegExp(`^${RegExp.escape(name).replaceAll('\\*', '.*')}$`, 'i'))
  return verboseSections.find((section) => patterns.some((pattern) => pattern.test(section)))
}
