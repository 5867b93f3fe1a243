// Members of responses that do not pass: the Modelfile of a model names the file of its weights.
import { MemberNames } from '../../bytes/json/member-names.ts'
import { scanJson } from '../../bytes/json/scan.ts'
import { splice } from '../../bytes/splice.ts'

/**
 * The body with an empty text in place of the member's value; the identical buffer if it has none. Undefined if it is not
 * a JSON object in which every client finds the same members.
 * @param name in lower case.
 */
export function withoutMember(body: Buffer, name: string): Buffer | undefined {
  const outcome = scanJson(body, new MemberNames([name]))
  if (!outcome.ok) return undefined
  const member = outcome.scan.members.get(name)
  return member === undefined ? body : splice(body, [{ at: member.value, bytes: '""' }])
}
