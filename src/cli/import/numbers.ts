// Numbers of other gateways within the bounds of ours.

/** The nearest whole number within bounds. */
export function clamped(number: number, least: number, most: number): number {
  return Math.min(most, Math.max(least, Math.round(number)))
}

/** The same shares in small whole numbers. */
export function wholeNumbers(weights: readonly number[]): number[] {
  const scale = weights.every((each) => Number.isInteger(each)) ? 1 : 1000
  const scaled = weights.map((each) => clamped(each * scale, 1, 1_000_000))
  const divisor = scaled.reduce(commonDivisor)
  return scaled.map((each) => each / divisor)
}

function commonDivisor(one: number, other: number): number {
  return other === 0 ? one : commonDivisor(other, one % other)
}
