// `llm-gateway serve`. It is a program of its own (dist/gateway.cjs): with the other commands in the same file, a start takes
// 15 to 20 ms more of CPU time and an idle gateway 5.5 MiB more, and `validate-config` takes 144 ms in place of 92.
import { errorStream, readVersion } from './program-io.ts'
import { ReloadSignal } from './reload-signal.ts'
import { readServeArguments } from './serve-arguments.ts'
import type { ServeIo } from './serve.ts'

export type ServeProgramIo = Omit<ServeIo, 'reloadSignal'>

/** @returns a program whose `run` takes what `readServeArguments` reads, and resolves to the exit status. */
export function createProgram(io: ServeProgramIo): { run(args: readonly string[]): Promise<number> } {
  return { run: (args) => serve(io, readServeArguments(args)?.config) }
}

/**
 * Runs the gateway until a signal ends it.
 * @param config the configuration file; undefined: the first that is there.
 * @returns the exit status, as `serveCommand` does.
 */
export async function serve(given: ServeProgramIo, config: string | undefined): Promise<number> {
  const { stdout, env } = given
  const reloadSignal = new ReloadSignal(process, stdout)
  const { serveCommand } = await import('./serve.ts')
  return serveCommand({ stdout, stderr: errorStream(given), env, reloadSignal }, config, readVersion())
}
