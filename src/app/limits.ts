// Admission with its counters as the last run left them, and a place to leave them for the next.
import { Admission } from '../admission/admission.ts'
import { Calibration } from '../admission/estimate.ts'
import { MemoryStore } from '../admission/stores/memory.ts'
import { SnapshotFile } from '../admission/limits-file.ts'
import type { AdmissionStore } from '../admission/stores/store.ts'
import type { Clock } from '../clock.ts'
import type { RateLimitConfig } from '../config/types.ts'
import type { Events } from '../observe/events.ts'

export interface Limits {
  readonly admission: Admission
  readonly calibration: Calibration
  /** Writes the counters down a last time. */
  save(): Promise<void>
}

export interface LimitSurroundings {
  readonly clock: Clock
  /** Where the counters are kept over a restart. Undefined: nowhere. */
  readonly stateDirectory: string | undefined
  /** Where calls are counted; undefined: in this process's memory, which alone is kept over a restart. */
  readonly store: AdmissionStore | undefined
}

export async function startLimits(
  limits: RateLimitConfig,
  { stateDirectory, clock, store }: LimitSurroundings,
  events: Events,
): Promise<Limits> {
  const { now, wallNow, setTimer } = clock
  const calibration = new Calibration()
  const memory = new MemoryStore()
  const parts = { store: store ?? memory, calibration, limits, now, setTimer }
  if (stateDirectory === undefined || store !== undefined) {
    return { admission: new Admission(parts), calibration, save: () => Promise.resolve() }
  }
  const file = new SnapshotFile({
    directory: stateDirectory,
    store: memory,
    calibration,
    now,
    wallNow,
    setTimer,
    onFault: (cause) => events.limitsNotSaved(cause),
  })
  events.limitsLoaded(await file.load())
  const admission = new Admission({ ...parts, onChange: () => file.touch() })
  return { admission, calibration, save: () => file.stop() }
}
