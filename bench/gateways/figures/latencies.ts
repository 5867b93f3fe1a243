// The times that calls took through each contender and without one, as figures.
import { directName, type Ledger } from '../figure.ts'
import type { Outcome } from '../tasks.ts'

/**
 * Adds the median less that of the upstream without a gateway in the same round, and the 99th percentile as it is: the rare
 * delays of the two meet in no call, so that the difference of two such percentiles is the delay of nothing.
 * @param figure what both are named after.
 * @param outcomes by contender, `directName` among them.
 */
export function addLatencies(
  ledger: Ledger,
  figure: string,
  round: number,
  outcomes: ReadonlyMap<string, Outcome>,
): void {
  const direct = outcomes.get(directName)?.latency
  for (const [contender, outcome] of outcomes) {
    const { latency } = outcome
    if (latency === undefined) continue
    const addedMs = contender === directName ? latency.p50 : latency.p50 - (direct?.p50 ?? NaN)
    ledger.add({ figure: `${figure}_p50`, contender, round, value: addedMs * 1000 }, outcome)
    ledger.add({ figure: `${figure}_p99`, contender, round, value: latency.p99 * 1000 }, outcome)
  }
}
