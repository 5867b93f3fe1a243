import type { SpokenFormats } from '../../src/call/spoken-formats.ts'

/** Of no provider is it known which formats it speaks, and none says. */
export const unknownFormats: SpokenFormats = {
  current: () => undefined,
  find: () => Promise.resolve(undefined),
  doubt() {},
}
