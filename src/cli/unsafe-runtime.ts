// Settings of Node that would undo what the gateway promises: a lax parser, unverified TLS, keys in the debug output,
// a debugger through which every other program of the machine can read memory. The gateway does not start with them.
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

/** What must go before the gateway starts: one sentence each. Values of variables are not repeated. */
export function unsafeSettings({ env, execArgv, inspectorUrl: inspector }: Runtime): string[] {
  const found: string[] = []
  const options = [...execArgv, ...(env['NODE_OPTIONS'] ?? '').split(/[\s"']+/)]
  for (const { form, why } of unsafeOptions) {
    const option = options.map(normalOption).find((each) => form.test(each))
    if (option !== undefined) found.push(`Node's option ${option} ${why}.`)
  }
  const hasInspectOption = options.some((each) => inspectForm.test(normalOption(each)))
  if (inspector !== undefined && !hasInspectOption) found.push(`An inspector is open: it ${inspectWhy}.`)
  if (env['NODE_TLS_REJECT_UNAUTHORIZED'] === '0') {
    const way = 'Give Node the certificate authority instead: NODE_EXTRA_CA_CERTS=FILE'
    found.push(`NODE_TLS_REJECT_UNAUTHORIZED=0 sends keys to whoever answers. ${way}.`)
  }
  const section = loudSection(env['NODE_DEBUG'])
  if (section !== undefined) found.push(`NODE_DEBUG with ${section} writes keys and prompts to the log.`)
  return found
}

/** The ones that open it. Others only say where and how; the test runner sets some of these. */
const inspectForm = /^--inspect(?:-brk(?:-node)?|-wait)?$/
const inspectWhy = 'lets other programs read keys and prompts out of memory'

/** Sorted. */
const unsafeOptions: readonly { form: RegExp; why: string }[] = [
  { form: inspectForm, why: inspectWhy },
  { form: /^--insecure-http-parser$/, why: 'lets requests through that others read differently' },
  { form: /^--tls-keylog$/, why: 'writes down what decrypts the connections to providers' },
  { form: /^--trace-tls$/, why: 'writes what goes over TLS to the log' },
]

/** Without its value, and with dashes: Node takes `--insecure_http_parser` as well. */
function normalOption(option: string): string {
  return option.replace(/=.*/s, '').replaceAll('_', '-')
}

/** Sections of NODE_DEBUG that print headers or bodies. */
const loudSections = ['http', 'http2', 'https', 'net', 'stream', 'tls', 'undici', 'fetch', 'websocket']

/** NODE_DEBUG is a list with commas, without regard to case, in which `*` stands for anything. */
function loudSection(debug = ''): string | undefined {
  const patterns = debug
    .split(',')
    .map((name) => name.trim())
    .filter((name) => name !== '')
    .map((name) => new RegExp(`^${RegExp.escape(name).replaceAll('\\*', '.*')}$`, 'i'))
  return loudSections.find((section) => patterns.some((pattern) => pattern.test(section)))
}
