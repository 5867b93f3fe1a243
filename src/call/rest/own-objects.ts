// Which client owns the objects of a request. All clients share the provider's key: as soon as there may be several, an object
// is found only by the client that has created it, and an object without a known owner is found by no client.
import { bytesOf, invalidRequest } from '../../dialects/request.ts'
import { GatewayError } from '../../errors.ts'
import { scanJson } from '../../bytes/json/scan.ts'
import { MemberNames } from '../../bytes/json/member-names.ts'
import { LargeBody } from '../../bytes/large-body.ts'
import { essenceOf, soleParameter } from '../../http/media-type.ts'
import type { Call, Snapshot } from '../call.ts'
import type { RestCall } from './request.ts'
import {
  addIdsOfForm,
  addIdsOfJson,
  addIdsOfQuery,
  type FoundIds,
  noIds,
} from '../../dialects/openai/object-ids.ts'

type Services = Pick<Snapshot, 'owners' | 'rest' | 'hasSeveralClients' | 'now'>

/** Where the request goes: to the provider of the object in its path, else to the one for all others. */
export async function judgeObjects(
  call: RestCall,
  on: Services,
): Promise<{ readonly provider: string } | GatewayError> {
  const found = noIds()
  const [first, ...parts] = call.ids
  if (first !== undefined) found.own.add(first)
  if (on.hasSeveralClients) {
    for (const part of parts) found.other.add(part)
    addIdsOfQuery(found, call.query, call.route.lists !== undefined)
    const problem = await addIdsOfBody(found, call, on)
    if (problem !== undefined) return problem
  }
  const ids = [...found.own, ...found.other]
  const owners = await on.owners.ownersOf(ids)
  if (on.hasSeveralClients) {
    const { client } = call
    const foreign = ids.findIndex((_, index) => {
      const owner = owners[index]
      return owner === undefined ? index < found.own.size : owner.client !== client.id
    })
    if (foreign >= 0) return objectNotFound(ids[foreign]!)
  }
  const provider = (first === undefined ? undefined : owners[0]?.provider) ?? on.rest?.provider
  return provider === undefined ? objectNotFound(first ?? '') : { provider }
}

/** Client formats in which a call may use stored objects: earlier responses, conversations, files. */
const formatsWithObjects: ReadonlySet<string> = new Set(['chat', 'response'])

/** Providers make containers for calls that ask for none; those ids are in responses, which clients send again. */
const containerForm = /^cntr_/

/** Where there are several clients: the refusal of a model call that uses an object which is not its client's. */
export async function foreignObjectOf(
  { dialect, body: received, client }: Pick<Call, 'dialect' | 'body' | 'client'>,
  on: Services,
): Promise<GatewayError | undefined> {
  if (!formatsWithObjects.has(dialect.native.name)) return undefined
  const found = noIds()
  await addIdsOfJson(found, bytesOf(received), on.now)
  const ids = [...found.own, ...found.other]
  const owners = ids.length === 0 ? [] : await on.owners.ownersOf(ids)
  const foreign = ids.find((id, index) => {
    const owner = owners[index]
    if (owner !== undefined) return owner.client !== client.id
    return index < found.own.size && !containerForm.test(id)
  })
  return foreign === undefined ? undefined : objectNotFound(foreign)
}

function objectNotFound(id: string): GatewayError {
  const what = `There is no object ${JSON.stringify(id.slice(0, 256))} that this client has created through the gateway`
  return new GatewayError('object_not_found', `${what}, or it was forgotten.`)
}

const noNames = new MemberNames([])

async function addIdsOfBody(
  found: FoundIds,
  { body: received, contentType, route }: RestCall,
  { now }: Services,
): Promise<GatewayError | undefined> {
  // A file is looked at neither here nor by the provider.
  if (received === undefined || route.isUpload === true) return undefined
  if (!Buffer.isBuffer(received) && !(received instanceof LargeBody)) return cannotCheck(contentType)
  const body = received instanceof LargeBody ? received.bytes : received
  if (body.length === 0) return undefined
  switch (essenceOf(contentType)) {
    case 'application/json': {
      const outcome = scanJson(body, noNames)
      if (outcome.ok) return addIdsOfJson(found, body, now).then(() => undefined)
      return invalidRequest(`Invalid JSON body: ${outcome.problem} (at byte ${outcome.offset}).`)
    }
    case 'multipart/form-data': {
      const boundary = soleParameter(contentType ?? '', 'boundary')
      const problem =
        boundary === undefined ? 'it has no plain boundary' : addIdsOfForm(found, body, boundary)
      return problem === undefined ? undefined : invalidRequest(`Invalid multipart body: ${problem}.`)
    }
    default:
      return cannotCheck(contentType)
  }
}

function cannotCheck(contentType: string | undefined): GatewayError {
  const seen = contentType === undefined ? 'none' : JSON.stringify(contentType)
  const message = `The content-type must be application/json or multipart/form-data; this request has ${seen}.`
  return new GatewayError('unsupported_media_type', message)
}
