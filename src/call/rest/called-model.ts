// The few of the API's other routes that call a model: they go to the model's provider, under its name for the model.
import { readString, scanJson } from '../../bytes/json/scan.ts'
import { MemberNames } from '../../bytes/json/member-names.ts'
import { LargeBody, type SplicedBody } from '../../bytes/large-body.ts'
import type { Splice } from '../../bytes/splice.ts'
import { bytesOf, checkModel, edited, invalidRequest } from '../../dialects/request.ts'
import type { Target } from '../../domain.ts'
import { GatewayError } from '../../errors.ts'
import { modelNotFound } from '../../routing/route-table.ts'
import type { Snapshot } from '../call.ts'
import type { RestCall } from './request.ts'

interface CalledModel {
  /** As the client named it, or as the configuration does in its place. */
  readonly asked: string
  readonly target: Target
  /** With the provider's name for the model. */
  readonly body: Buffer | SplicedBody
}

const wanted = new MemberNames(['model'])

/** Undefined: the request names no model, and there is none for such requests. */
export async function modelOf(
  { body: received }: Pick<RestCall, 'body'>,
  on: Pick<Snapshot, 'routes' | 'findLate' | 'defaultModels'>,
): Promise<CalledModel | GatewayError | undefined> {
  if (received === undefined || !(Buffer.isBuffer(received) || received instanceof LargeBody))
    return undefined
  const body = bytesOf(received)
  const outcome = scanJson(body, wanted)
  if (!outcome.ok) {
    return invalidRequest(`Invalid JSON body: ${outcome.problem} (at byte ${outcome.offset}).`, outcome.param)
  }
  const { members, insertAt, isEmpty } = outcome.scan
  const member = members.get('model')
  const isNamed = member !== undefined && member.kind !== 'null'
  const inBody = isNamed ? checkModel(member.value, () => readString(body, member)) : undefined
  if (inBody instanceof GatewayError) return inBody
  const asked = inBody ?? on.defaultModels.get('response')
  if (asked === undefined) return undefined
  const route = on.routes.find(asked) ?? (await on.findLate(asked))
  const target = route?.targets.toSorted((one, other) => one.tier - other.tier)[0]
  if (target === undefined) return modelNotFound(asked, on.routes)
  const name = JSON.stringify(target.model)
  const at = { start: insertAt, end: insertAt }
  const splice: Splice =
    member === undefined
      ? { at, bytes: `"model":${name}${isEmpty ? '' : ','}` }
      : { at: member.value, bytes: name }
  return { asked, target, body: edited(received, target.model === inBody ? [] : [splice]) }
}
