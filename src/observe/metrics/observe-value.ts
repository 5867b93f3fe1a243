import type { SeriesWriter } from './counters.ts'

/** Counts a value in a histogram. @param first its first cell. @param value finite and not negative. */
export function observeValue(
  writer: Pick<SeriesWriter, 'add'>,
  first: number,
  buckets: readonly number[],
  value: number,
): void {
  let index = 0
  while (index < buckets.length && value > buckets[index]!) index += 1
  writer.add(first + index, 1)
  writer.add(first + buckets.length + 1, value)
}
