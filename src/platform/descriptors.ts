// File descriptors of a process, as Linux counts them: proc_pid_limits(5), proc_pid_fd(5).
import { readdirSync, readFileSync } from 'node:fs'

export interface Descriptors {
  readonly limit: number
  readonly open: number
}

/** Undefined where the system does not show them to this user. */
export function descriptorsOf(pid: number | 'self'): Descriptors | undefined {
  try {
    const [, limit] =
      /^Max open files +(\d+|unlimited)/m.exec(readFileSync(`/proc/${pid}/limits`, 'latin1')) ?? []
    const open = readdirSync(`/proc/${pid}/fd`).length
    if (limit === undefined) return undefined
    return { limit: limit === 'unlimited' ? Infinity : Number(limit), open }
  } catch {
    return undefined
  }
}

/** The process (EMFILE) or the machine (ENFILE) has no descriptor left. */
export function isOutOfDescriptors(code: string | undefined): boolean {
  return code === 'EMFILE' || code === 'ENFILE'
}
