// The unit files: the templates in systemd/, with the paths of this installation filled in.
import { readFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { packagePath } from '../platform/package.ts'
import { type Scope, serviceUnit, socketUnit } from './scope.ts'

/** What a template does not know. Paths are absolute. */
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

/** The service and its socket. */
export function renderUnits(scope: Scope, facts: UnitFacts): UnitFile[] {
  return [serviceUnit, socketUnit].map((name) => {
    const template = readFileSync(packagePath(`systemd/${scope}/${name}`), 'utf8')
    return { name, text: fill(template, facts) }
  })
}

/** Fills a template in. Comments stay as they are. */
export function fill(template: string, facts: UnitFacts): string {
  const listen = facts.hosts.map(
    (host) => `ListenStream=${host.includes(':') ? `[${host}]` : host}:${facts.port}`,
  )
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
    // A word: what stands directly before the name belongs to it, and into its quotes.
    return line.replace(/(?<=[= ])((?:[A-Z_]+=)?-?)@([a-z]+)@/g, (whole, prefix: string, name: string) => {
      const value = values[name]
      return value === undefined ? whole : quoted(prefix + value, line.startsWith('Exec'))
    })
  })
  return lines.join('\n')
}

/**
 * Nothing of people's homes, or of them nothing but the gateway itself: a package in a home that nobody else may enter
 * is bound into an empty one.
 */
function homeLines({ node, main, config }: UnitFacts): string[] {
  const needed = [dirname(dirname(main)), node, config].filter((path) => /^\/(home|root)\//.test(path))
  if (needed.length === 0) return ['ProtectHome=yes']
  return ['ProtectHome=tmpfs', `BindReadOnlyPaths=${needed.map((path) => quoted(path, false)).join(' ')}`]
}

/** One word of a unit file (systemd.syntax(7)); `%` begins a specifier, and `$` a variable in commands. */
function quoted(word: string, isCommand: boolean): string {
  const literal = word.replaceAll('%', '%%').replaceAll('$', () => (isCommand ? '$$' : '$'))
  return /^[\w/.:=%$@+,-]+$/.test(literal) ? literal : `"${literal.replaceAll(/["\\]/g, '\\$&')}"`
}

/** The words of the first `ExecStart=` line as `fill` writes them: Node, the main file, `--config` and its file. */
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
