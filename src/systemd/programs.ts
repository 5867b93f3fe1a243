// Runs systemd's own programs: systemctl, systemd-creds, loginctl.
import { spawnSync } from 'node:child_process'

interface ProgramResult {
  /** The exit status; undefined when the program could not be run. */
  readonly status: number | undefined
  readonly stdout: string
  readonly stderr: string
}

/** Blocks until the program has ended. */
export type RunProgram = (program: string, args: readonly string[], input?: string) => ProgramResult

/** @param timeoutMs a program that runs longer is killed. */
export function programRunner(timeoutMs: number): RunProgram {
  return (program, args, input = '') => {
    const options = { input, encoding: 'utf8', timeout: timeoutMs } as const
    const { status, error, stdout, stderr } = spawnSync(program, args, options)
    if (error !== undefined) return { status: undefined, stdout: '', stderr: error.message }
    return { status: status ?? undefined, stdout, stderr }
  }
}

/** Allows for a restart, which waits for the calls in progress. */
export const runProgram: RunProgram = programRunner(180_000)
