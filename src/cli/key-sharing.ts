// What a gateway says of the list of keys that it shares with others, for people.
import { printable } from '../platform/printable.ts'
import { momentText } from './key-description.ts'

/** @param body of `GET /-/keys/shared`. */
export function describeSharedKeys({
  generation,
  publisher,
  signed_at: signedAt,
}: Readonly<Record<string, unknown>>): string {
  if (Number(generation) === 0) return 'no signed list is in force'
  const at = typeof signedAt === 'string' ? ` ${momentText(Date.parse(signedAt))}` : ''
  return printable(`generation ${Number(generation)}, signed by ${String(publisher)}${at}`)
}
