/** Larger ones are no counts of slots or tokens. */
const maxCount = 1_000_000_000

/** A whole number from 1 on; servers write 0 for what they do not know. */
export function countIn(members: Readonly<Record<string, unknown>>, name: string): number | undefined {
  const value = members[name]
  return Number.isSafeInteger(value) && (value as number) > 0 && (value as number) <= maxCount
    ? (value as number)
    : undefined
}
