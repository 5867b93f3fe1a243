/** API routes exist with and without `/v1`: clients disagree on whether the base URL ends with it. */
export const prefixes = ['/v1', ''] as const
