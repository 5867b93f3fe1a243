// Renders the unit files: fills the paths of an installation into the templates in systemd/.
import { readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { hostPort } from '../platform/host-port.ts'
import { packagePath } from '../platform/package.ts'
import {
  doctorTimer,
  doctorUnit,
  type Scope,
  servicesSocket,
  serviceUnit,
  servicesUnit,
  socketUnit,
} from './scope.ts'

/** What is filled into a template. Paths are absolute. */
export interface UnitFacts {
  /** The Node that runs the gateway. */
  readonly node: string
  /** `src/main.ts` or `dist/main.cjs`. */
  readonly main: string
  readonly config: string
  readonly state: string
  readonly credentials: string
  /** Addresses without brackets. */
  readonly hosts: readonly string[]
  readonly port: number
}

export interface UnitFile {
  readonly name: string
  readonly text: string
}

/** Renders the service and its socket. */
export function renderUnits(scope: Scope, facts: UnitFacts): UnitFile[] {
  return render([serviceUnit, socketUnit], scope, facts)
}

/** Renders the starter of model servers and its socket. */
export function renderServicesUnits(scope: Scope, facts: UnitFacts): UnitFile[] {
  return render([servicesUnit, servicesSocket], scope, facts)
}

/** The users of the system's services: sysusers.d(5). */
export function sysusersText(): string {
  return readFileSync(packagePath('systemd/system/llm-gateway.sysusers'), 'utf8')
}

/** Renders the weekly check. */
export function renderDoctorUnits(scope: Scope, facts: UnitFacts): UnitFile[] {
  return render([doctorUnit, doctorTimer], scope, facts)
}

function render(names: readonly string[], scope: Scope, facts: UnitFacts): UnitFile[] {
  return names.map((name) => {
    const template = readFileSync(packagePath(`systemd/${scope}/${name}`), 'utf8')
    return { name, text: fill(template, facts) }
  })
}

/** Fills a template. Comments stay as they are. */
export function fill(template: string, facts: UnitFacts): string {
  const listen = facts.hosts.map((host) => `ListenStream=${hostPort(host, facts.port)}`)
  const values: Readonly<Record<string, string>> = {
    node: facts.node,
    main: facts.main,
    config: facts.config,
    state: facts.state,
    credentials: facts.credentials,
  }
  const lines = template.split('\n').flatMap((line) => {
    if (line.startsWith('#')) return [line]
    if (line === '@home@') return homeLines(facts)
    if (line.startsWith('ListenStream=127.')) return listen
    if (line.startsWith('ListenStream=[')) return []
    // The prefix belongs to the same word, so it goes inside the quotes.
    return line.replace(/(?<=[= ])((?:[A-Z_]+=)?-?)@([a-z]+)@/g, (whole, prefix: string, name: string) => {
      const value = values[name]
      return value === undefined ? whole : quoted(prefix + value, line.startsWith('Exec'))
    })
  })
  return lines.join('\n')
}

/**
 * Hides home directories. If the gateway itself is in one, only its own paths are bound into an empty directory: the
 * service's user could not enter a private home.
 */
function homeLines({ node, main, config }: UnitFacts): string[] {
  // Stored secrets lie beside the configuration, once there are any.
  const paths = [dirname(dirname(main)), node, config, `-${join(dirname(config), 'secrets')}`]
  const needed = paths.filter((path) => /^-?\/(home|root)\//.test(path))
  if (needed.length === 0) return ['ProtectHome=yes']
  return ['ProtectHome=tmpfs', `BindReadOnlyPaths=${needed.map((path) => quoted(path, false)).join(' ')}`]
}

/** Quotes a word of a unit file (systemd.syntax(7)); `%` begins a specifier, and `$` a variable in commands. */
export function quoted(word: string, isCommand: boolean): string {
  const literal = word.replaceAll('%', '%%').replaceAll('$', () => (isCommand ? '$$' : '$'))
  return /^[\w/.:=%$@+,-]+$/.test(literal) ? literal : `"${literal.replaceAll(/["\\]/g, '\\$&')}"`
}

/** Splits the first `ExecStart=` line, as `fill` writes it, into Node, the main file, `--config` and its file. */
export function startCommand(unit: string): string[] {
  const line = /^ExecStart=(.*)$/m.exec(unit)?.[1] ?? ''
  const words = line.match(/"(?:[^"\\]|\\.)*"|\S+/g) ?? []
  return words.map((word) =>
    word
      .replace(/^"(.*)"$/, (_, inner: string) => inner.replaceAll(/\\(["\\])/g, '$1'))
      .replaceAll('%%', '%')
      .replaceAll('$$', () => '$'),
  )
}

/** The configuration file that a unit names, as `fill` writes it. */
export function configOf(unit: string): string | undefined {
  const command = startCommand(unit)
  const at = command.indexOf('--config')
  return at < 0 ? undefined : command[at + 1]
}
