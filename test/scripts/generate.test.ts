import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { describe, test } from 'node:test'

import { createAjv, generatedFiles } from '../../scripts/generate.ts'
import { configSchema } from '../../src/config/schema/schema.ts'
import type { Schema } from '../../src/config/schema/schema-type.ts'
import { loadText } from '../support/config-file.ts'

function readProjectFile(path: string): string {
  return readFileSync(new URL(`../../${path}`, import.meta.url), 'utf8')
}

describe('what is on disk is what `npm run generate` writes:', () => {
  for (const [path, text] of Object.entries(generatedFiles())) {
    test(path, () => assert.equal(readProjectFile(path), text))
  }
})

test('the default configuration is valid without anything in the environment', (t) => {
  const loaded = loadText(t, readProjectFile('config/llm-gateway.yaml'))
  assert.deepEqual(loaded.ok ? loaded.warnings : loaded.problems, [])
})

test('the default configuration discovers the usual local ports', (t) => {
  const loaded = loadText(t, readProjectFile('config/llm-gateway.yaml'))
  assert.ok(loaded.ok)
  const discovering = [...loaded.config.providers.values()].flatMap((provider) =>
    provider.kind !== 'echo' && provider.discoverModels === true ? [provider.name, provider.origin] : [],
  )
  assert.deepEqual(discovering, [
    'ollama',
    'http://127.0.0.1:11434',
    'vllm',
    'http://127.0.0.1:8000',
    'llama-cpp',
    'http://127.0.0.1:8080',
    'lmstudio',
    'http://127.0.0.1:1234',
  ])
})

test('every example in a comment of the default configuration is valid', (t) => {
  const text = readProjectFile('config/llm-gateway.yaml').replace(/^ {2}# ("?[a-z][\w/*-]*"?: \{)/gm, '  $1')
  const loaded = loadText(t, text, {
    env: { ANTHROPIC_API_KEY: 'c', OPENAI_API_KEY: 'a', OPENROUTER_API_KEY: 'b' },
    hasServiceManager: true,
  })
  assert.ok(loaded.ok, JSON.stringify(!loaded.ok && loaded.problems))
  assert.ok(loaded.config.providers.has('qwen'))
  assert.ok(loaded.config.providers.has('openai') && loaded.config.models.has('openrouter/*'))
})

/** Every schema of a key, with the key's path. */
function* keys(schema: Schema, path: string): Generator<[string, Schema]> {
  for (const [key, inner] of Object.entries(schema.properties ?? {})) {
    if (inner === false) continue
    yield [`${path}.${key}`, inner]
    yield* keys(inner, `${path}.${key}`)
  }
  if (schema.items !== undefined) yield* keys(schema.items, `${path}[]`)
  if (typeof schema.additionalProperties === 'object') yield* keys(schema.additionalProperties, `${path}.*`)
}

test('every key is described, takes no unknown keys, and has a default that it would take', () => {
  for (const [path, schema] of keys(configSchema, '')) {
    assert.ok((schema.description ?? '').length > 0, `${path} has no description`)
    if (schema.properties !== undefined) assert.equal(schema.additionalProperties, false, path)
    if (schema.default !== undefined) assert.ok(createAjv().validate(schema, schema.default), path)
  }
})

test('the page names every key', () => {
  const page = readProjectFile('docs/config.md')
  for (const [path] of keys(configSchema, '')) {
    const key = path.split('.').at(-1)!
    const isNamed = page.includes(`${key}\``) || page.includes(`\n## ${key}\n`)
    assert.ok(isNamed, `docs/config.md does not name ${path}`)
  }
})
