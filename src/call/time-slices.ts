// Long work on one call shares the event loop with all other calls.

/** A slice of time in each iteration of the event loop, for all long work of a thread together (server/time-slicer.ts). */
export interface TimeSlices {
  /** Begins the slice of this iteration, unless other work has begun it. False: it is used up. */
  startSlice(): boolean
  sliceIsOver(): boolean
  /** Calls once in a later iteration. */
  yieldTo(resume: () => void): void
}
