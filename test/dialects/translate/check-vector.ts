// What a vector says of its translation, held against what the translator makes of it.
import assert from 'node:assert/strict'
import { join } from 'node:path'
import type { Translation } from '../../../src/dialects/translator.ts'
import { GatewayError } from '../../../src/errors.ts'
import {
  begin,
  providerOf,
  readRequest,
  readVectors,
  sentText,
  throughStream,
  type Vector,
} from './vector.ts'

export const vectors = readVectors(join(import.meta.dirname, 'vectors'))

function requestOf(vector: Vector): Translation | GatewayError {
  const request = readRequest(vector.dialect, vector.file('request.json')!)
  return request instanceof GatewayError ? request : begin(vector, request)
}

function begun(vector: Vector): Translation {
  const translation = requestOf(vector)
  if (translation instanceof GatewayError) throw translation
  return translation
}

function checkError(error: unknown, expected: string): void {
  assert.ok(error instanceof GatewayError, 'an error')
  const { code, param, message } = JSON.parse(expected) as Record<string, string>
  assert.equal(error.code, code)
  if (param !== undefined) assert.equal(error.param, param)
  assert.ok(error.message.includes(message ?? ''), error.message)
}

export function checkRequest(vector: Vector): void {
  const refused = vector.file('refused.json')
  if (refused !== undefined) return checkError(requestOf(vector), refused)
  const translation = begun(vector)
  const sent = sentText(translation)
  const expected = vector.file('sent.json')
  if (expected !== undefined) assert.deepEqual(JSON.parse(sent), JSON.parse(expected))
  for (const bytes of vector.keeps ?? []) assert.ok(sent.includes(bytes), `${bytes} in ${sent}`)
  if (vector.dropped !== undefined) assert.deepEqual(translation.dropped ?? [], vector.dropped)
}

function checkEnd(vector: Vector, end: unknown): void {
  const failed = vector.file('failed.json')
  if (failed !== undefined) return checkError(end, failed)
  const returned = vector.file('returned.json')
  if (returned === undefined) return assert.equal(end, undefined)
  assert.ok(Buffer.isBuffer(end), String(end))
  assert.deepEqual(JSON.parse(end.toString()), JSON.parse(returned))
}

function streamOf({ file }: Vector): string {
  return file('returned.sse') ?? file('returned.ndjson') ?? ''
}

/** @param chunks the stream of the provider, cut where it is to arrive in pieces. */
export function checkStream(vector: Vector, chunks: readonly Buffer[]): void {
  const response = begun(vector).response!
  const { bytes, end } = throughStream({ response, provider: providerOf(vector) }, chunks)
  assert.equal(bytes, streamOf(vector))
  checkEnd(vector, end)
}

export function checkWhole(vector: Vector, body: Buffer): void {
  const response = begun(vector).response!
  response.head({ status: 200, headers: { 'content-type': 'application/json' } })
  const written: Buffer[] = []
  const end = response.whole(body, undefined, (bytes) => void written.push(Buffer.from(bytes)))
  assert.equal(Buffer.concat(written).toString(), streamOf(vector))
  checkEnd(vector, end)
}

export function checkErrorBody(vector: Vector, text: string): void {
  const { status, body } = JSON.parse(text) as { status: number; body: unknown }
  const head = { status, headers: { 'content-type': 'application/json' } }
  const returned = begun(vector).response!.error(head, Buffer.from(JSON.stringify(body)), 'req_id')
  assert.deepEqual(JSON.parse(returned.toString()), JSON.parse(vector.file('returned.json')!))
}
