// The examples ask for no metric and no label that the gateway does not have.
import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { bucketsOf, families, type FamilyName, prefix } from '../../src/observe/metrics/families.ts'
import { fullName } from '../../src/observe/metrics/render.ts'
import { type GaugeName, gauges } from '../../src/observe/metrics/gauges.ts'

const folder = join(import.meta.dirname, '../../config/examples')

test('the metrics that the examples name exist', () => {
  const counted = (Object.keys(families) as FamilyName[]).flatMap((name) =>
    bucketsOf(name) === undefined
      ? [prefix + name]
      : ['_bucket', '_sum', '_count'].map((suffix) => prefix + name + suffix),
  )
  const known = new Set([...counted, ...(Object.keys(gauges) as GaugeName[]).map(fullName)])
  const named = readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((file) => /\.(?:ya?ml|json)$/.test(file))
    .flatMap((file) => readFileSync(join(folder, file), 'utf8').match(/\bllm_gateway_[a-z_]+/g) ?? [])
  assert.ok(named.length > 20)
  assert.deepEqual(
    [...new Set(named)].filter((name) => !known.has(name)),
    [],
  )
})
