// What a model's calls need in their requests (`models.NAME.request`), in the bytes that a provider gets.
import { editMembers } from '../bytes/json/member-edits.ts'
import { type SplicedBody } from '../bytes/large-body.ts'
import { splice, spliceParts } from '../bytes/splice.ts'
import type { ModelRequest } from '../dialects/request.ts'
import type { MemberRule } from '../domain.ts'

/** The request that is estimated, reserved and passed for a model. Without rules, the same object. */
export function requestFor(request: ModelRequest, rules: readonly MemberRule[] | undefined): ModelRequest {
  return rules === undefined ? request : (request.withMembers?.(rules) ?? request)
}

/**
 * A translated body with the members that rules set, add and drop: they name those of the provider's format.
 * @returns also how many rules have changed something.
 */
export function withModelMembers(
  body: Buffer | SplicedBody,
  rules: readonly MemberRule[],
): { readonly body: Buffer | SplicedBody; readonly changes: number } {
  const isWhole = Buffer.isBuffer(body)
  // Rules look at the whole of an object, which a large one is not yet.
  const bytes = isWhole ? body : Buffer.concat(body.parts)
  const { splices, changes } = editMembers(bytes, rules)
  if (isWhole) return { body: splice(bytes, splices), changes }
  return { body: { of: body.of, parts: spliceParts(bytes, splices) }, changes }
}
