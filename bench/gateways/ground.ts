// What a run stands on: the scripted upstream, a load generator, a directory, and that nothing of it outlives the run.
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Ground } from './instance.ts'
import { chooseCores, maxOpenFiles } from './machine.ts'
import { type Cores, Processes } from './processes.ts'

export interface OpenGround extends Ground {
  readonly cores: Cores | undefined
  readonly upstream: ChildProcess
  readonly loadProcess: ChildProcess
  /** Ends upstream and load generator. */
  close(): void
}

/** @param loadFile the load generator; absent: that of `gateways`. It says a word when it is ready. */
export async function openGround(loadFile?: string): Promise<OpenGround> {
  const cores = chooseCores()
  const directory = mkdtempSync(join(tmpdir(), 'llm-gateway-bench-'))
  const processes = new Processes(directory, cores)
  const upstream = processes.helper('upstream')
  const [{ port: upstreamPort }] = (await once(upstream, 'message')) as [{ port: number }]
  const loadProcess = processes.helper('load', loadFile)
  await once(loadProcess, 'message')
  return {
    processes,
    upstreamPort,
    directory,
    maxFiles: maxOpenFiles(),
    cores,
    upstream,
    loadProcess,
    close() {
      upstream.disconnect()
      loadProcess.disconnect()
    },
  }
}

/** Ends this process on a signal, so that the keeper ends what it has started, and after so long, whatever hangs. */
export function boundRun(limitMs: number): void {
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(signal, () => process.exit(130))
  setTimeout(() => {
    tell('took too long')
    process.exit(1)
  }, limitMs).unref()
}

/** A line of progress, on standard error. */
export function tell(text: string): void {
  const seconds = Math.floor(process.uptime())
  const clock = `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, '0')}`
  process.stderr.write(`[${clock}] ${text}\n`)
}
