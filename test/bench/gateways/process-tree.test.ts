import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { cpuBetween, type CpuReading, readCpu, residentBytes } from '../../../bench/gateways/process-tree.ts'
import { unless } from '../../support/needs.ts'

const skip = unless(process.platform === 'linux', 'needs /proc')

function reading(
  processes: Record<number, { coarseMs: number; threads: Record<string, number> }>,
): CpuReading {
  const entries = Object.entries(processes).map(([pid, { coarseMs, threads }]) => {
    const exact = new Map(Object.entries(threads).map(([thread, ns]) => [thread, BigInt(ns)]))
    return [Number(pid), { coarseNs: BigInt(coarseMs) * 1_000_000n, threads: exact }] as const
  })
  return { processes: new Map(entries) }
}

suite('cpuBetween', () => {
  test('is exact while no thread ends, whatever begins', () => {
    const before = reading({ 1: { coarseMs: 10, threads: { 1: 9_500_000 } } })
    const after = reading({
      1: { coarseMs: 20, threads: { 1: 12_000_000, 2: 500_000 } },
      7: { coarseMs: 0, threads: { 7: 1_000_000 } },
    })
    assert.equal(cpuBetween(before, after), 4000)
  })

  test('goes by the count of the process when a thread has ended', () => {
    const before = reading({ 1: { coarseMs: 10, threads: { 1: 4_000_000, 2: 5_000_000 } } })
    const after = reading({ 1: { coarseMs: 30, threads: { 1: 6_000_000 } } })
    assert.equal(cpuBetween(before, after), 20_000)
  })

  test('goes by the count of the process where threads are not counted', () => {
    const [before, after] = [
      reading({ 1: { coarseMs: 10, threads: {} } }),
      reading({ 1: { coarseMs: 40, threads: {} } }),
    ]
    assert.equal(cpuBetween(before, after), 30_000)
  })
})

test('this process has used time and memory', { skip }, () => {
  const before: CpuReading = { processes: new Map() }
  assert.ok(cpuBetween(before, readCpu(process.pid)) > 1000)
  assert.ok(residentBytes(process.pid) > 10_000_000)
})
