// What servers report of themselves, in recorded shapes and in odd ones.
import assert from 'node:assert/strict'
import { suite, test } from 'node:test'

import { abilitiesNamed } from '../../../src/dialects/model-facts.ts'
import { propsPathOf, readBusySlots, readProps } from '../../../src/upstream/providers/llama-cpp-report.ts'
import { readOllamaModels } from '../../../src/upstream/providers/ollama-report.ts'
import { readOpenRequests } from '../../../src/upstream/providers/vllm-report.ts'
import { propsOf, slotsOf } from '../../flows/model-server-reports.ts'

const bytes = (value: unknown) => Buffer.from(typeof value === 'string' ? value : JSON.stringify(value))
const odd = ['', 'null', '[]', '{', '"x"', '1', '[1,null,{}]', '{"models":1}', '['.repeat(50_000)]

suite('llama.cpp', () => {
  test('reports slots, the context of one, and what it sees and hears', () => {
    const props = propsOf({ modalities: { vision: true, audio: false } })
    const { slots, isSleeping, anyModel } = readProps(bytes(props))!
    assert.deepEqual(
      [slots, isSleeping, anyModel?.contextLength, anyModel?.state],
      [2, false, 2048, 'loaded'],
    )
    assert.deepEqual(
      ['image', 'audio', 'text'].map((each) => anyModel?.takes?.has(each as 'text')),
      [true, false, true],
    )
  })

  test('of older versions reports slots alone', () => {
    assert.deepEqual(readProps(bytes({ total_slots: 1 })), {
      isRouter: false,
      slots: 1,
      isSleeping: false,
      anyModel: { contextLength: undefined, takes: undefined, state: 'loaded' },
    })
  })

  test('as a router is known by its role, and asked about a model by its whole name', () => {
    assert.deepEqual(readProps(bytes({ role: 'router', max_instances: 4 })), { isRouter: true })
    assert.equal(propsPathOf('a/b&c=d'), '//props?model=a%2Fb%26c%3Dd&autoload=false')
  })

  test('says how many slots are at work', () => {
    assert.equal(readBusySlots(bytes(slotsOf(1, 3))), 1)
    assert.equal(readBusySlots(bytes({ error: { code: 501 } })), undefined)
  })

  for (const body of odd) {
    test(`reports nothing by ${body.slice(0, 20)}`, () => assert.equal(readProps(bytes(body)), undefined))
  }
  for (const total_slots of [0, -1, 1.5, '2', 1e12, null]) {
    test(`has no ${total_slots} slots`, () => assert.equal(readProps(bytes({ total_slots })), undefined))
  }
})

suite('Ollama', () => {
  const details = { family: 'llama', parameter_size: '8B', context_length: 131072 }
  const tags = {
    models: [
      {
        name: 'llama3:latest',
        model: 'llama3:latest',
        details,
        capabilities: ['completion', 'tools', 'vision'],
      },
      { name: 'nomic-embed-text:latest', details: {}, capabilities: ['embedding'] },
      { name: 'old:1b', details: {} },
    ],
  }
  const loaded = { models: [{ name: 'llama3:latest', context_length: 8192, size_vram: 1 }] }

  test('reports abilities, the context of what is loaded, and what is not', () => {
    const models = readOllamaModels(bytes(tags), bytes(loaded), abilitiesNamed)!
    const llama = models.get('llama3')
    assert.equal(llama, models.get('llama3:latest'))
    assert.deepEqual([llama?.contextLength, llama?.state], [8192, 'loaded'])
    assert.deepEqual([...llama!.takes!].sort(), ['image', 'text', 'tools'])
    assert.deepEqual([...models.get('nomic-embed-text')!.takes!], ['embedding'])
    assert.deepEqual(models.get('old:1b'), { contextLength: undefined, takes: undefined, state: 'unloaded' })
  })

  test('reports what a model can have at most while none is loaded, and no state if it is not known', () => {
    assert.equal(
      readOllamaModels(bytes(tags), bytes({ models: null }), abilitiesNamed)!.get('llama3')?.contextLength,
      131072,
    )
    assert.equal(readOllamaModels(bytes(tags), undefined, abilitiesNamed)!.get('llama3')?.state, undefined)
    assert.equal(readOllamaModels(bytes({ models: null }), undefined, abilitiesNamed)!.size, 0)
  })

  for (const body of odd) {
    test(`reports nothing by ${body.slice(0, 20)}`, () =>
      assert.equal(readOllamaModels(bytes(body), undefined, abilitiesNamed), undefined))
  }
})

test('vLLM reports the calls that run and wait, of all engines together', () => {
  const text = `# HELP vllm:num_requests_running Number of requests in model execution batches.
# TYPE vllm:num_requests_running gauge
vllm:num_requests_running{engine="0",model_name="m"} 2.0
vllm:num_requests_running{engine="1",model_name="m"} 1.0
vllm:num_requests_waiting{engine="0",model_name="m"} 4.0
vllm:num_requests_waiting_by_reason{reason="x"} 9.0
`
  assert.equal(readOpenRequests(bytes(text)), 7)
  assert.equal(readOpenRequests(bytes('vllm:num_requests_running NaN')), undefined)
  assert.equal(readOpenRequests(bytes('up 1')), undefined)
})
