import type { StatusSource } from '../../src/status/status-source.ts'

const nobodyAsks = () => Promise.reject(new Error('nobody asks for the status here'))

/** Of owners that no status page looks at. */
export const unaskedStatus: StatusSource = { report: nobodyAsks, explain: nobodyAsks, cancel: nobodyAsks }
