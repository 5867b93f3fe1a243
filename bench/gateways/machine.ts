// What the machine is and gives.
import { readFileSync } from 'node:fs'
import { cpus, release, totalmem } from 'node:os'
import { findProgram } from '../../test/support/needs.ts'
import type { Cores } from './processes.ts'

/** How many files one process may open. */
export function maxOpenFiles(): number {
  const hard = /^Max open files +\S+ +(\d+)/m.exec(readFileSync('/proc/self/limits', 'utf8'))?.[1]
  return Number(hard ?? 1024)
}

/** A contender has a core for itself; load generator and upstream share another if there are but two. */
export function chooseCores(): Cores | undefined {
  const cores = allowedCores()
  const [first, second, third = second] = cores
  if (first === undefined || second === undefined || findProgram('taskset') === undefined) return undefined
  return { contender: String(first), load: String(second), upstream: String(third) }
}

export function describeMachine(cores: Cores | undefined): string[] {
  const model = cpus()[0]?.model ?? 'unknown processor'
  const pinning =
    cores === undefined
      ? 'nothing is pinned to a core'
      : `contender on core ${cores.contender}, load generator on core ${cores.load}, upstream on core ${cores.upstream}`
  return [
    `${model}, ${cpus().length} cores, ${Math.round(totalmem() / 2 ** 30)} GiB, Linux ${release()}; Node ${process.version}`,
    `${pinning}; a process may open ${maxOpenFiles().toLocaleString('en')} files`,
  ]
}

/** `0-2,5` → 0, 1, 2, 5. */
function allowedCores(): number[] {
  const list = /^Cpus_allowed_list:\s*(\S+)/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1] ?? ''
  return list.split(',').flatMap((part) => {
    const [first = NaN, last = first] = part.split('-').map(Number)
    return Number.isNaN(first) ? [] : Array.from({ length: last - first + 1 }, (_, index) => first + index)
  })
}
