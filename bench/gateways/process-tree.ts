// What a process and its descendants have used, from proc(5).
import { readdirSync, readFileSync } from 'node:fs'

const nsPerTick = 10_000_000n
/** User and system time are each rounded to a tick, at both readings. */
const maxRoundingNs = 2n * nsPerTick

/** CPU time of a tree at one moment. */
export interface CpuReading {
  readonly processes: ReadonlyMap<number, ProcessTime>
}

interface ProcessTime {
  /** User and system time of all threads that it ever had, to 10 ms. */
  readonly coarseNs: bigint
  /** Time on a core by thread, to the nanosecond; empty where the kernel does not count it. */
  readonly threads: ReadonlyMap<string, bigint>
}

export function readCpu(root: number): CpuReading {
  const processes = new Map<number, ProcessTime>()
  for (const pid of treeOf(root)) {
    const time = readProcess(pid)
    if (time !== undefined) processes.set(pid, time)
  }
  return { processes }
}

/**
 * CPU time that a tree used between two readings, in microseconds. From the scheduler's own count of its threads, which
 * is exact; where a thread has ended in between, or is not in either reading, from the count of its process, which forgets none but is kept to 10 ms.
 */
export function cpuBetween(before: CpuReading, after: CpuReading): number {
  let total = 0n
  for (const [pid, now] of after.processes) {
    const then = before.processes.get(pid) ?? { coarseNs: 0n, threads: new Map<string, bigint>() }
    const isExact =
      now.threads.size > 0 && [...then.threads.keys()].every((thread) => now.threads.has(thread))
    const [exactNs, coarseNs] = [sum(now.threads) - sum(then.threads), now.coarseNs - then.coarseNs]
    // A thread that began and ended in between is in the count of its process alone.
    total += isExact && coarseNs - exactNs <= maxRoundingNs ? exactNs : coarseNs
  }
  return Number(total) / 1000
}

/** Resident bytes of a tree. Pages that its processes share with each other count once for each. */
export function residentBytes(root: number): number {
  return treeOf(root).reduce((total, pid) => {
    const kib = /^Rss: +(\d+) kB/m.exec(readText(`/proc/${pid}/smaps_rollup`) ?? '')?.[1]
    return total + Number(kib ?? 0) * 1024
  }, 0)
}

/** The process itself and all that descend from it. */
export function treeOf(root: number): number[] {
  const children = new Map<number, number[]>()
  for (const name of readdirSync('/proc')) {
    if (!/^\d+$/.test(name)) continue
    const parent = Number(fieldsOf(readText(`/proc/${name}/stat`))?.[1])
    children.set(parent, [...(children.get(parent) ?? []), Number(name)])
  }
  const tree = [root]
  for (const pid of tree) tree.push(...(children.get(pid) ?? []))
  return tree
}

function readProcess(pid: number): ProcessTime | undefined {
  const fields = fieldsOf(readText(`/proc/${pid}/stat`))
  if (fields === undefined) return undefined
  const coarseNs = (BigInt(fields[11]!) + BigInt(fields[12]!)) * nsPerTick
  const threads = new Map<string, bigint>()
  for (const thread of listThreads(pid)) {
    const ns = /^(\d+) /.exec(readText(`/proc/${pid}/task/${thread}/schedstat`) ?? '')?.[1]
    if (ns !== undefined) threads.set(thread, BigInt(ns))
  }
  return { coarseNs, threads: sum(threads) === 0n ? new Map() : threads }
}

/** From the state on: the name before it may have blanks and parentheses of its own. */
function fieldsOf(stat: string | undefined): string[] | undefined {
  return stat?.slice(stat.lastIndexOf(')') + 2).split(' ')
}

function listThreads(pid: number): string[] {
  try {
    return readdirSync(`/proc/${pid}/task`)
  } catch {
    return []
  }
}

function readText(path: string): string | undefined {
  try {
    return readFileSync(path, 'latin1')
  } catch {
    // It has ended since it was listed.
    return undefined
  }
}

function sum(threads: ReadonlyMap<string, bigint>): bigint {
  let total = 0n
  for (const ns of threads.values()) total += ns
  return total
}
