// What a run stands on: the scripted upstream, a load generator, a directory, and that nothing of it outlives the run.
import type { ChildProcess } from 'node:child_process'
import { mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Ground } from './instance.ts'
import { chooseCores, maxOpenFiles } from './machine.ts'
import { answerOf, type Cores, Processes } from './processes.ts'

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
  const { port: upstreamPort } = await answerOf<{ port: number }>(upstream)
  const loadProcess = processes.helper('load', loadFile)
  await answerOf(loadProcess)
  let isClosed = false
  for (const [name, child] of Object.entries({ upstream, 'load generator': loadProcess })) {
    child.once('exit', () => {
      if (isClosed) return
      // Whatever was measured from now on would be wrong.
      tell(`the ${name} has ended`)
      process.exit(1)
    })
  }
  return {
    processes,
    upstreamPort,
    directory,
    maxFiles: maxOpenFiles(),
    cores,
    upstream,
    loadProcess,
    close() {
      isClosed = true
      upstream.disconnect()
      loadProcess.disconnect()
    },
  }
}

/**
 * Ends this process on a signal, so that the keeper ends what it has started, and if `run` takes longer than `limitMs`, whatever
 * hangs.
 */
export async function boundRun<Result>(limitMs: number, run: () => Promise<Result>): Promise<Result> {
  const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const
  const end = () => process.exit(130)
  for (const signal of signals) process.once(signal, end)
  const timer = setTimeout(() => {
    tell(`took longer than ${Math.round(limitMs / 60_000)} minutes`)
    process.exit(1)
  }, limitMs).unref()
  try {
    return await run()
  } finally {
    clearTimeout(timer)
    for (const signal of signals) process.off(signal, end)
  }
}

/** A line of progress, on standard error. */
export function tell(text: string): void {
  const seconds = Math.floor(process.uptime())
  const clock = `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, '0')}`
  process.stderr.write(`[${clock}] ${text}\n`)
}
