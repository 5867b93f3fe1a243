// What admitting costs, by how many calls the window holds. Time per call must not grow with it.
import { Admission } from '../src/admission/admission.ts'
import type { CallDemand } from '../src/admission/waiting-line.ts'
import { Calibration } from '../src/admission/estimate.ts'
import { providerScope } from '../src/admission/scopes.ts'
import { MemoryStore } from '../src/admission/stores/memory.ts'
import type { Outcome } from '../src/admission/outcome.ts'
import type { ModelLimits } from '../src/domain.ts'

const windowSizes = [10, 150, 1000, 10_000, 100_000]
const runs = 7
const callsPerRun = 100_000
const outcome: Outcome = { kind: 'used', tokens: 90 }

/** An admission whose window holds `entries` calls at a steady rate, with its clock. */
function filled(
  entries: number,
  limits: Partial<ModelLimits>,
): { admission: Admission; clock: { nowMs: number } } {
  const clock = { nowMs: 0 }
  const model = { rpm: entries, tpm: entries * 1000, ...limits, whenLimited: 'reject', maxWaitMs: 0 } as const
  const admission = new Admission({
    store: new MemoryStore(),
    limits: {
      enabled: true,
      perClientRpm: undefined,
      perClientMaxWaitMs: 0,
      default: { whenLimited: 'reject', maxWaitMs: 0 },
      limits: new Map([['m', model]]),
    },
    calibration: new Calibration(),
    now: () => clock.nowMs,
    setTimer: () => () => {},
  })
  for (let count = 0; count < entries; count++) {
    reserveAndSettle(admission)
    clock.nowMs += 60_000 / entries
  }
  return { admission, clock }
}

const ask: CallDemand = {
  client: { id: 'user:bench' },
  model: 'm',
  tokens: 100,
  minTokens: 50,
  providers: [providerScope('p', 4)],
  disconnect: { isGone: false, onGone: undefined },
}

function reserveAndSettle(admission: Admission): void {
  const decision = admission.reserve(ask)
  if (decision instanceof Promise || decision.kind !== 'admitted') throw new Error('not admitted')
  admission.settle(decision.reservation, outcome)
}

function refused(admission: Admission): void {
  const decision = admission.reserve(ask)
  if (decision instanceof Promise || decision.kind !== 'limited') throw new Error('not refused')
}

/** Microseconds per call: the least, the median and the most of the runs. */
function measure(call: () => void): [number, number, number] {
  const micros: number[] = []
  for (let run = 0; run <= runs; run++) {
    const start = performance.now()
    for (let count = 0; count < callsPerRun; count++) call()
    // The first run warms up.
    if (run > 0) micros.push(((performance.now() - start) * 1000) / callsPerRun)
  }
  micros.sort((one, other) => one - other)
  return [micros[0]!, micros[Math.floor(runs / 2)]!, micros.at(-1)!]
}

/** µs per call as min / median / max of the runs, for admitted and refused calls. */
export function benchAdmission(): void {
  process.stdout.write(`µs per call, min / median / max of ${runs} runs of ${callsPerRun} calls\n`)
  process.stdout.write(
    `${'entries'.padStart(9)}  ${'reserve + settle'.padEnd(20)}  ${'refused by requests'.padEnd(20)}  refused by tokens\n`,
  )
  for (const entries of windowSizes) {
    const steady = filled(entries, { rpm: entries + 1, tpm: entries * 1000 })
    const full = filled(entries, {})
    // Over the limit by more than half of the entries: the longest way to the moment when a call fits.
    const indebted = filled(entries, { rpm: entries * 2 })
    indebted.admission.applyLimits({
      enabled: true,
      perClientRpm: undefined,
      perClientMaxWaitMs: 0,
      default: { rpm: entries * 2, tpm: entries * 40 + 100, whenLimited: 'reject', maxWaitMs: 0 },
      limits: new Map(),
    })
    // Back before the first entry leaves, so that the whole window counts.
    full.clock.nowMs -= 1e-3
    indebted.clock.nowMs -= 1e-3
    const columns = [
      measure(() => {
        reserveAndSettle(steady.admission)
        steady.clock.nowMs += 60_000 / entries
      }),
      measure(() => refused(full.admission)),
      measure(() => refused(indebted.admission)),
    ].map((column) => column.map((micros) => micros.toFixed(2)).join(' / '))
    process.stdout.write(
      `${String(entries).padStart(9)}  ${columns[0]!.padEnd(20)}  ${columns[1]!.padEnd(20)}  ${columns[2]!}\n`,
    )
  }
}
