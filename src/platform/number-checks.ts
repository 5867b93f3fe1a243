// What a number is that comes from outside: out of a file, from another process.

/** Whether it is a finite number, at least 0. */
export function isAmount(value: unknown): value is number {
  return typeof value === 'number' && Number.isFinite(value) && value >= 0
}

/** Whether it is a whole number, at least 0, that nothing has rounded. */
export function isCount(value: unknown): value is number {
  return isAmount(value) && Number.isSafeInteger(value)
}
