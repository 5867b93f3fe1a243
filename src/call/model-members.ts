// What a model's calls need in their requests (`models.NAME.request`), in the bytes that a provider gets.
import { editMembers } from '../bytes/json/member-edits.ts'
import { type SplicedBody } from '../bytes/large-body.ts'
import { splice, spliceParts } from '../bytes/splice.ts'
import { type ModelRequest, tooManyMembers } from '../dialects/request.ts'
import type { MemberRule } from '../domain.ts'
import type { GatewayError } from '../errors.ts'

/**
 * The request that is estimated, reserved and passed for a model. Without rules, the same object.
 * @returns the error `invalid_request` if the rules would have to look at too many members.
 */
export function requestFor(
  request: ModelRequest,
  rules: readonly MemberRule[] | undefined,
): ModelRequest | GatewayError {
  return rules === undefined ? request : (request.withMembers?.(rules) ?? request)
}

/**
 * A translated body with the members that rules set, add and drop: they name those of the provider's format.
 * @returns also how many rules have changed something; the error of `requestFor`.
 */
export function withModelMembers(
  body: Buffer | SplicedBody,
  rules: readonly MemberRule[],
): { readonly body: Buffer | SplicedBody; readonly changes: number } | GatewayError {
  const isWhole = Buffer.isBuffer(body)
  // Rules look at the whole of an object, which a large one is not yet.
  const bytes = isWhole ? body : Buffer.concat(body.parts)
  const edits = editMembers(bytes, rules)
  if (edits === undefined) return tooManyMembers()
  const { splices, changes } = edits
  if (isWhole) return { body: splice(bytes, splices), changes }
  return { body: { of: body.of, parts: spliceParts(bytes, splices) }, changes }
}
