// Which conversation formats servers speak, where neither the configuration nor their kind determines it. A provider is probed
// when a call needs to know, and never at the start. What it has shown stays until its address or its version changes: it is confirmed
// every hour, and kept over restarts.
import type { AskedFormat, SpokenFormats } from '../call/spoken-formats.ts'
import type { Config } from '../config/types.ts'
import type { HttpProvider } from '../config/provider-types.ts'
import { formatProbeBody, judgeFormatProbe } from '../dialects/format-probe.ts'
import type { Events } from '../observe/events.ts'
import type { Clock } from '../platform/clock.ts'
import { probe, type ProbeOutcome, type ProbeRequest } from '../upstream/probe.ts'
import type { Provider } from '../upstream/provider.ts'
import { readVersion, versionPaths } from '../upstream/providers/versions.ts'
import type { IsOpen } from './polls.ts'
import { serverOf, type FormatFinding, type FormatFindings } from './format-findings.ts'

export interface FormatDiscoveryParts {
  readonly clock: Pick<Clock, 'now' | 'wallNow' | 'setTimer'>
  readonly events: Events
  /** Called when something was found, or confirmed. */
  readonly onChange: () => void
  /** Absent: every provider is. */
  readonly isOpen?: IsOpen
}

interface Server {
  readonly provider: Provider
  readonly kind: HttpProvider['kind']
  readonly address: string
}

/** For so long a finding is taken as it is. */
export const confirmedMs = 3_600_000

/** For so long a server that reports no version is believed to be the same. */
const unversionedMs = 24 * 3_600_000

/** A server that gave no clear answer is not asked again within this time. */
const unclearMs = 30_000

/** What was doubted and confirmed is not doubted again within this time. */
const doubtMs = 60_000

const versionLimits = { maxBytes: 524_288, timeoutMs: 1_500 }
const probeLimits = { maxBytes: 65_536, timeoutMs: 3_000 }

export class FormatDiscovery implements SpokenFormats {
  readonly #parts: FormatDiscoveryParts
  #servers: ReadonlyMap<string, Server> = new Map()
  readonly #findings = new Map<string, FormatFinding>()
  /** When a provider's finding was confirmed, in milliseconds of the monotonic clock. Absent: not by this process. */
  readonly #confirmedAtMs = new Map<string, number>()
  /** `PROVIDER FORMAT` → when it may be asked again. */
  readonly #unclearUntilMs = new Map<string, number>()
  /** `PROVIDER FORMAT` → until when it is not doubted again. */
  readonly #doubtedUntilMs = new Map<string, number>()
  readonly #asking = new Map<string, Promise<boolean | undefined>>()

  constructor(parts: FormatDiscoveryParts) {
    this.#parts = parts
  }

  get findings(): FormatFindings {
    return this.#findings
  }

  /** What counts as it is, for other threads. */
  confirmed(): ReadonlyMap<string, FormatFinding['formats']> {
    const found = [...this.#findings].filter(([name]) => this.#isConfirmed(name))
    return new Map(found.map(([name, { formats }]) => [name, formats]))
  }

  /** Adopts what an earlier process has found; to be confirmed before it counts. */
  restore(findings: FormatFindings): void {
    for (const [name, finding] of findings) this.#findings.set(name, finding)
  }

  /** Follows a reload: findings about servers that are gone are forgotten. Nothing is sent. */
  follow({ providers: configs }: Pick<Config, 'providers'>, providers: ReadonlyMap<string, Provider>): void {
    this.#servers = new Map(
      [...configs].flatMap(([name, config]) => {
        const provider = providers.get(name)
        return config.kind === 'echo' || provider === undefined
          ? []
          : [[name, { provider, kind: config.kind, address: serverOf(config) }] as const]
      }),
    )
    this.#unclearUntilMs.clear()
    for (const [name, { address }] of this.#findings) {
      if (this.#servers.get(name)?.address !== address) this.#forget(name)
    }
  }

  /** The server of the provider has been started: it may be another version, and speak what it did not answer clearly before. */
  restarted(name: string): void {
    this.#confirmedAtMs.delete(name)
    for (const key of this.#unclearUntilMs.keys())
      if (key.startsWith(`${name} `)) this.#unclearUntilMs.delete(key)
  }

  current(name: string, format: string): boolean | undefined {
    return this.#isConfirmed(name) ? this.#findings.get(name)?.formats[format] : undefined
  }

  /** Whether a provider is known to speak a format, however that is known and however long ago. */
  hasShown(name: string, format: string): boolean {
    const isSpoken = this.#servers.get(name)?.provider.speaks(format)
    return isSpoken ?? this.#findings.get(name)?.formats[format] ?? false
  }

  find(name: string, format: AskedFormat): Promise<boolean | undefined> {
    const key = keyOf(name, format.name)
    const asking = this.#asking.get(key)
    if (asking !== undefined) return asking
    const asked = this.#findOnce(name, format)
    this.#asking.set(key, asked)
    return asked
  }

  doubt(name: string, format: string): void {
    const finding = this.#findings.get(name)
    if (finding === undefined) return
    const key = keyOf(name, format)
    const { now } = this.#parts.clock
    // Clients may provoke such refusals, and a server is not asked for each.
    if (now() < (this.#doubtedUntilMs.get(key) ?? 0)) return
    this.#doubtedUntilMs.set(key, now() + doubtMs)
    const { [format]: _, ...formats } = finding.formats
    this.#findings.set(name, { ...finding, formats })
    this.#parts.onChange()
  }

  /** A bug leaves it unclear. */
  async #findOnce(name: string, format: AskedFormat): Promise<boolean | undefined> {
    try {
      return await this.#find(name, format)
    } catch (error) {
      this.#parts.events.emit({ kind: 'internal_error', error, where: 'a question for a format' })
      return this.#unclear(name, format.name)
    } finally {
      this.#asking.delete(keyOf(name, format.name))
    }
  }

  async #find(name: string, format: AskedFormat): Promise<boolean | undefined> {
    const server = this.#servers.get(name)
    if (server === undefined) return undefined
    // Nothing is asked of a server that has yet to be started, and what it has shown before is better than nothing.
    if (this.#parts.isOpen?.(name) === false) return this.#findings.get(name)?.formats[format.name]
    const key = keyOf(name, format.name)
    const { now } = this.#parts.clock
    if (now() < (this.#unclearUntilMs.get(key) ?? 0)) return undefined
    if (!(await this.#confirm(name, server))) return this.#unclear(name, format.name)
    const known = this.current(name, format.name)
    if (known !== undefined) return known
    const { path } = format
    const outcome = await this.#ask(server, { path, body: formatProbeBody, ...probeLimits })
    // A reload has led to another server meanwhile.
    if (this.#servers.get(name) !== server) return undefined
    const isSpoken = outcome.kind === 'failed' ? undefined : judgeFormatProbe(outcome.head, outcome.body)
    if (isSpoken === undefined) return this.#unclear(name, format.name)
    this.#learn(name, server, format.name, isSpoken)
    return isSpoken
  }

  /**
   * Drops what another version or another program has shown, and confirms the rest.
   * @returns false if the server is away, or not ready.
   */
  async #confirm(name: string, server: Server): Promise<boolean> {
    const { now, wallNow } = this.#parts.clock
    if (this.#isConfirmed(name)) return true
    const path = versionPaths[server.kind]
    let version: string | undefined
    if (path !== undefined) {
      const outcome = await this.#ask(server, { path, ...versionLimits })
      if (outcome.kind === 'failed' || outcome.head.status >= 500) return false
      version = outcome.head.status === 200 ? readVersion(outcome.body) : undefined
    }
    if (this.#servers.get(name) !== server) return false
    const finding = this.#findings.get(name)
    const isOld = version === undefined && wallNow() - (finding?.foundAtMs ?? 0) >= unversionedMs
    const isSame = finding !== undefined && finding.version === version && !isOld
    if (!isSame) {
      const { address } = server
      this.#findings.set(name, { address, version, foundAtMs: wallNow(), formats: {} })
    }
    this.#confirmedAtMs.set(name, now())
    if (isSame) this.#parts.onChange()
    return true
  }

  #isConfirmed(name: string): boolean {
    const confirmedAtMs = this.#confirmedAtMs.get(name)
    return confirmedAtMs !== undefined && this.#parts.clock.now() - confirmedAtMs < confirmedMs
  }

  /** What was known before is better than nothing. */
  #unclear(name: string, format: string): boolean | undefined {
    this.#unclearUntilMs.set(keyOf(name, format), this.#parts.clock.now() + unclearMs)
    return this.#findings.get(name)?.formats[format]
  }

  #learn(name: string, { address }: Server, format: string, isSpoken: boolean): void {
    const { clock, events, onChange } = this.#parts
    const finding = this.#findings.get(name) ?? { address, version: undefined, foundAtMs: 0, formats: {} }
    const formats = { ...finding.formats, [format]: isSpoken }
    this.#findings.set(name, { ...finding, foundAtMs: clock.wallNow(), formats })
    if (!this.#confirmedAtMs.has(name)) this.#confirmedAtMs.set(name, clock.now())
    events.emit({ kind: 'format_found', provider: name, format, is_spoken: isSpoken })
    onChange()
  }

  #forget(name: string): void {
    this.#findings.delete(name)
    this.#confirmedAtMs.delete(name)
  }

  #ask({ provider }: Server, request: ProbeRequest): Promise<ProbeOutcome> {
    return new Promise(
      (onResult, onBug) => void probe(provider, request, this.#parts.clock, { onResult, onBug }),
    )
  }
}

function keyOf(provider: string, format: string): string {
  return `${provider} ${format}`
}
