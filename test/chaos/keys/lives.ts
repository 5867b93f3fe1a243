// The gateway of a run, which is killed and started again over the same state: one process after the other.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import type { Setup } from '../../support/gateway-config.ts'
import { type GatewayProcess, runGateway } from '../../support/gateway-process.ts'
import type { Cleanup } from '../../support/scripted-upstream.ts'
import { GatewayLog } from '../gateway-log.ts'

/** Milliseconds since 1970, by the clock of `Wire`. */
export const wallNow = (): number => performance.timeOrigin + performance.now()

export interface Life {
  readonly gateway: GatewayProcess
  readonly log: GatewayLog
  /** Without a key nobody is served. */
  readonly isKeyRequired: boolean
  readonly workers: number
  /** Before its process was started. Times are milliseconds since 1970. */
  readonly startedAtMs: number
  readonly listeningAtMs: number
  /** When its end began; undefined while it lives. */
  endingAtMs: number | undefined
  endedAtMs: number | undefined
  endedBy: 'SIGKILL' | 'SIGTERM' | undefined
}

export class Lives {
  /** Their home: keys, state, control socket. */
  readonly home: string
  readonly all: Life[] = []
  /** Everything that they have logged. */
  log = ''
  readonly #t: Cleanup

  constructor(t: Cleanup) {
    this.#t = t
    this.home = mkdtempSync(join(tmpdir(), 'llm-gateway-chaos-'))
    t.after(() => rmSync(this.home, { recursive: true }))
  }

  get stateDirectory(): string {
    return join(this.home, '.local/state/llm-gateway')
  }

  /** Undefined while none serves. */
  get current(): Life | undefined {
    const last = this.all.at(-1)
    return last?.endingAtMs === undefined ? last : undefined
  }

  /** Of the one that lives, or lived last. */
  get configFile(): string {
    return this.all.at(-1)!.gateway.file
  }

  /** Whether the same one served from the first moment to the second. */
  hasLivedThrough(fromMs: number, toMs: number): boolean {
    return this.all.some(
      ({ listeningAtMs, endingAtMs = Infinity }) => listeningAtMs <= fromMs && endingAtMs >= toMs,
    )
  }

  async begin(configuration: string, { keys, server }: Setup): Promise<Life> {
    const startedAtMs = wallNow()
    const gateway = await runGateway(this.#t, configuration, { HOME: this.home })
    const log = new GatewayLog()
    const take = (text: string) => {
      this.log += text
      log.read(text)
    }
    gateway.drainInto(take)
    // What came before is in the log that was kept until now.
    take(gateway.stdout())
    const life: Life = {
      gateway,
      log,
      isKeyRequired: keys?.mode === 'required',
      workers: server?.workers ?? 1,
      startedAtMs,
      listeningAtMs: wallNow(),
      endingAtMs: undefined,
      endedAtMs: undefined,
      endedBy: undefined,
    }
    this.all.push(life)
    return life
  }

  async end(life: Life, signal: 'SIGKILL' | 'SIGTERM'): Promise<void> {
    life.endingAtMs = wallNow()
    life.endedBy = signal
    await life.gateway.stop(signal)
    life.endedAtMs = wallNow()
  }
}
