// `llm-gateway key check`: whose key it is, and whether it is valid. It is typed, or read from standard input: an argument
// would stand in the shell's history and in the list of processes.
import { parseKey } from '../clients/keys/key-format.ts'
import { type KeyRefusal, KeyTable } from '../clients/keys/key-table.ts'
import type { CredentialIo } from './credential-set.ts'
import { fail, type KeyParts, readPlace } from './key-command.ts'
import { momentText } from './key-description.ts'
import { Output } from './output.ts'
import { readSecret } from './read-secret.ts'
import { builtAtMs } from '../platform/package.ts'
import { printable } from '../platform/printable.ts'

/** @returns the exit status: 0 for a valid key, else 1. */
export async function keyCheckCommand(
  io: CredentialIo,
  { wallNow, accounts }: KeyParts,
  { config, json }: { readonly config: string | undefined; readonly json: boolean },
): Promise<number> {
  const read = readPlace(io, config, accounts)
  if ('messages' in read) return fail(io, read.messages)
  const text = (await readSecret(io.stdin, (prompt) => io.stderr.write(prompt)))?.trim()
  if (text === undefined || text === '') return fail(io, 'no key was entered')
  const { keys, generation, place } = read
  const nowMs = wallNow()
  const table = new KeyTable({ generation, keys }, [place.prefix], builtAtMs())
  const held = table.find(text)
  const out = new Output(io.stdout, io.env)
  if (held === undefined) {
    if (json) out.json({ valid: false, refused: 'invalid_api_key', reason: reasonOf(text, place.prefix) })
    else new Output(io.stderr, io.env).line(`Not valid: ${reasonOf(text, place.prefix)}.`)
    return 1
  }
  const { key, secret } = held
  const checked = table.check(text, nowMs)
  const refused = 'refused' in checked ? checked.refused : undefined
  if (json) {
    out.json({
      valid: refused === undefined,
      refused: refused ?? null,
      name: key.name,
      id: key.id,
      secret: secret.id,
    })
    return refused === undefined ? 0 : 1
  }
  const whose = `"${key.name}" (${key.id}), secret ${secret.id}`
  const ends = [key.expiresMs, secret.untilMs].filter((each) => each !== undefined)
  const until = ends.length === 0 ? '' : `, until ${momentText(Math.min(...ends))}`
  const verdict = refused === undefined ? `valid${until}` : refusals[refused]
  out.line(printable(`The key of ${whose}: ${verdict}.`))
  return refused === undefined ? 0 : 1
}

const refusals: Readonly<Record<KeyRefusal, string>> = {
  invalid_api_key: 'it is wrong',
  key_expired: 'it has expired',
  key_disabled: 'it is disabled, or not valid yet',
  clock_not_set: 'the clock of this machine is not set, so that its expiry cannot be checked',
}

/** What is wrong with a text that is the key of nobody. */
function reasonOf(text: string, prefix: string): string {
  if (!text.startsWith(prefix)) return `it does not begin with ${prefix}`
  // The audit log has the id of each secret that was made: so the owner of a revoked key can still be found.
  const id = parseKey(text)?.id
  if (id !== undefined) return `there is no such key; its secret ${id} may have been revoked or deleted`
  return 'it is incomplete or mistyped: its checksum does not match'
}
