// Running systemd's own programs: systemctl, systemd-creds, loginctl.
import { spawnSync } from 'node:child_process'

interface ProgramResult {
  /** Undefined when the program could not be run. */
  readonly status: number | undefined
  readonly stdout: string
  readonly stderr: string
}

export type RunProgram = (program: string, args: readonly string[], input?: string) => ProgramResult

/** Ends a program that takes longer. */
export function programRunner(timeoutMs: number): RunProgram {
  return (program, args, input = '') => {
    const { status, error, stdout, stderr } = spawnSync(program, args, {
      input,
      encoding: 'utf8',
      timeout: timeoutMs,
    })
    if (error !== undefined) return { status: undefined, stdout: '', stderr: error.message }
    return { status: status ?? undefined, stdout, stderr }
  }
}

/** A restart waits for the calls under way. */
export const runProgram: RunProgram = programRunner(180_000)
