import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { type ChatEnd, ChatReader } from '../../../src/dialects/translate/chat-chunks.ts'
import { GatewayError } from '../../../src/errors.ts'
import { ChatRecord } from './chat-record.ts'

interface Read {
  readonly pieces: ChatRecord['pieces']
  readonly end: ChatEnd | string
  readonly usage: ChatReader['usage']
}

/** @param chunks objects, or texts that are written as they are. */
function read(chunks: readonly unknown[], hasThinkTags = false): Read {
  const record = new ChatRecord()
  const reader = new ChatReader(record, hasThinkTags)
  for (const chunk of chunks) {
    if (chunk === '[DONE]') reader.readDone()
    else reader.readChunk(Buffer.from(typeof chunk === 'string' ? chunk : JSON.stringify(chunk)))
  }
  const end = reader.end()
  return {
    pieces: record.pieces,
    end: end instanceof GatewayError ? end.message : end,
    usage: reader.usage,
  }
}

function delta(members: object, finish: string | null = null, more: object = {}): object {
  return { choices: [{ index: 0, delta: members, finish_reason: finish, ...more }] }
}

function call(members: object): object {
  return delta({ tool_calls: [members] })
}

const stop = delta({}, 'stop')
const calls = { reason: 'calls', stopText: undefined }

describe('a reader of chat chunks', () => {
  test('hands on what one chunk has in the order of a message', () => {
    const all = {
      content: 'So',
      reasoning_content: 'hm',
      refusal: 'no',
      tool_calls: [{ index: 0, id: 'a', function: { name: 'f', arguments: '{}' } }],
    }
    const usage = { prompt_tokens: 3, completion_tokens: 4, total_tokens: 7 }
    assert.deepEqual(read([{ ...delta(all, 'tool_calls'), usage }, '[DONE]']), {
      pieces: [
        ['reasoning', 'hm'],
        ['text', 'So'],
        ['refusal', 'no'],
        ['start', 0, 'a', 'f'],
        ['arguments 0', '{}'],
      ],
      end: calls,
      usage: {
        promptTokens: 3,
        cachedTokens: 0,
        cacheWriteTokens: 0,
        completionTokens: 4,
        reasoningTokens: undefined,
      },
    })
  })

  test('hands on nothing for a role, nulls and empty texts', () => {
    const empty = { role: 'assistant', content: '', reasoning: null, refusal: null, tool_calls: null }
    assert.deepEqual(read([delta(empty), delta({ content: null }), { choices: [] }, '', stop]).pieces, [])
  })

  test('reads reasoning in every member, and once where several bring it', () => {
    const forms = [
      { reasoning_content: 'x' },
      { reasoning: 'x' },
      { thinking: 'x' },
      { reasoning: 'x', reasoning_content: 'x' },
      { content: [{ type: 'thinking', thinking: [{ type: 'text', text: 'x' }] }] },
    ]
    for (const form of forms) assert.deepEqual(read([delta(form), stop]).pieces, [['reasoning', 'x']])
    const details = [{ type: 'reasoning.text', text: 'x', signature: 's' }]
    const both = [
      ['details', details],
      ['reasoning', 'x'],
    ]
    assert.deepEqual(read([delta({ reasoning_details: details }), stop]).pieces, both)
    assert.deepEqual(read([delta({ reasoning_details: details, reasoning: 'x' }), stop]).pieces, both)
    // The details may follow the pieces of their text.
    const pieces = [delta({ reasoning: 'x' }), delta({ reasoning_details: details }), stop]
    assert.deepEqual(read(pieces).pieces, both.toReversed())
  })

  test('separates reasoning in tags only where the server leaves it there', () => {
    const chunks = Array.from('<think>a < b</think>\n\nSo', (content) => delta({ content }))
    assert.deepEqual(read([...chunks, stop], true).pieces, [
      ['reasoning', 'a < b'],
      ['text', 'So'],
    ])
    assert.deepEqual(read([...chunks, stop]).pieces, [['text', '<think>a < b</think>\n\nSo']])
  })

  test('reads only the first choice', () => {
    const other = { choices: [{ index: 1, delta: { content: 'other' } }] }
    assert.deepEqual(read([other, delta({ content: 'x' }), stop]).pieces, [['text', 'x']])
  })
})

describe('tool calls', () => {
  const started = (position: number, id: string | undefined, name = 'f') => ['start', position, id, name]

  test('come with name and arguments in one chunk and without an index', () => {
    const { pieces, end } = read([call({ id: 'a', function: { name: 'f', arguments: '{"x":1}' } }), stop])
    assert.deepEqual(pieces, [started(0, 'a'), ['arguments 0', '{"x":1}']])
    assert.deepEqual(end, calls)
  })

  test('differ by their ids where all have index 0', () => {
    const one = call({ index: 0, id: 'a', function: { name: 'f', arguments: '{}' } })
    const two = call({ index: 0, id: 'b', function: { name: 'f', arguments: '{}' } })
    const expected = [started(0, 'a'), ['arguments 0', '{}'], started(1, 'b'), ['arguments 1', '{}']]
    assert.deepEqual(read([one, two, stop]).pieces, expected)
  })

  test('differ by their names where there are no ids', () => {
    for (const index of [0, undefined]) {
      const chunks = ['f', 'g'].map((name) => call({ index, function: { name, arguments: '{}' } }))
      const expected = [
        started(0, undefined),
        ['arguments 0', '{}'],
        started(1, undefined, 'g'),
        ['arguments 1', '{}'],
      ]
      assert.deepEqual(read([...chunks, stop]).pieces, expected)
    }
  })

  test('of the same name and without ids differ by a name after whole arguments', () => {
    const expected = [
      started(0, undefined),
      ['arguments 0', '{"x":"}"}'],
      started(1, undefined),
      ['arguments 1', '{"x":2}'],
    ]
    const first = ['{"x":', '"}"}'].map((text, at) =>
      call({ index: 0, function: { arguments: text, ...(at === 0 && { name: 'f' }) } }),
    )
    const whole = call({ index: 0, function: { name: 'f', arguments: '{"x":2}' } })
    assert.deepEqual(read([...first, whole, stop]).pieces, expected)
    const parts = [{ name: 'f', arguments: '' }, { arguments: '{"x":2}' }]
    const split = parts.map((part) => call({ index: 0, function: part }))
    assert.deepEqual(read([...first, ...split, stop]).pieces, expected)
  })

  test('are one where a server repeats the name, or invents an id for each piece', () => {
    const expected = [started(0, 'a'), ['arguments 0', '{"x":1}']]
    const texts = ['', '{"x"', ':1}', '']
    const named = texts.map((text) => call({ index: 0, id: 'a', function: { name: 'f', arguments: text } }))
    assert.deepEqual(read([...named, stop]).pieces, expected)
    const invented = texts.map((text, at) =>
      call({
        index: 0,
        id: 'abcd'[at],
        function: { name: at === 0 ? 'f' : null, arguments: text },
      }),
    )
    assert.deepEqual(read([...invented, stop]).pieces, expected)
  })

  test('stand in one chunk without index and ids', () => {
    const both = delta({
      tool_calls: [1, 2].map((x) => ({ function: { name: 'f', arguments: `{"x":${x}}` } })),
    })
    assert.deepEqual(read([both, stop]).pieces, [
      started(0, undefined),
      ['arguments 0', '{"x":1}'],
      started(1, undefined),
      ['arguments 1', '{"x":2}'],
    ])
  })

  test('alternate', () => {
    const starts = ['a', 'b'].map((id, index) => call({ index, id, function: { name: 'f' } }))
    const pieces = ['{"x"', ':1}'].flatMap((text) =>
      [0, 1].map((index) => call({ index, function: { arguments: text } })),
    )
    assert.deepEqual(read([...starts, ...pieces, stop]).pieces, [
      started(0, 'a'),
      started(1, 'b'),
      ['arguments 0', '{"x"'],
      ['arguments 1', '{"x"'],
      ['arguments 0', ':1}'],
      ['arguments 1', ':1}'],
    ])
  })

  test('are found by the id where the index is missing', () => {
    const starts = ['a', 'b'].map((id) => call({ id, function: { name: 'f' } }))
    const later = call({ id: 'a', function: { arguments: '{}' } })
    assert.deepEqual(read([...starts, later, stop]).pieces, [
      started(0, 'a'),
      started(1, 'b'),
      ['arguments 0', '{}'],
    ])
  })

  test('start once the name is known', () => {
    const early = call({ index: 0, id: 'a', function: { arguments: '{"x"' } })
    const late = call({ index: 0, function: { name: 'f', arguments: ':1}' } })
    assert.deepEqual(read([early, late, stop]).pieces, [started(0, 'a'), ['arguments 0', '{"x":1}']])
    assert.equal(read([early, stop]).end, "The provider's response has a tool call without a name.")
  })

  test('have arguments as an object or as null', () => {
    const raw =
      '{"choices":[{"delta":{"tool_calls":[{"function":{"name":"f","arguments":{"b":1.0,"1":"é"}}}]}}]}'
    assert.deepEqual(read([raw, stop]).pieces, [started(0, undefined), ['arguments 0', '{"b":1.0,"1":"é"}']])
    const none = call({ index: 0, id: 'a', function: { name: 'f', arguments: null } })
    assert.deepEqual(read([none, stop]), { pieces: [started(0, 'a')], end: calls, usage: undefined })
  })

  test('with the id of another one have none', () => {
    const twice = [0, 1].map((index) => call({ index, id: 'a', function: { name: 'f', arguments: '{}' } }))
    assert.deepEqual(
      read([...twice, stop]).pieces.filter(([kind]) => kind === 'start'),
      [started(0, 'a'), started(1, undefined)],
    )
  })

  test('are not read without end', () => {
    const refused = "The provider's response has too many tool calls, or too much of one before its name."
    const many = Array.from({ length: 2000 }, (_, index) => call({ index, function: { name: 'f' } }))
    const { pieces, end } = read([...many, stop])
    assert.equal(end, refused)
    assert.equal(pieces.length, 1025)
    const long = Array.from({ length: 20 }, () =>
      call({ index: 0, function: { arguments: 'x'.repeat(100_000) } }),
    )
    assert.equal(read([...long, stop]).end, refused)
  })

  test('come in the older form', () => {
    const chunks = [{ name: 'f', arguments: '' }, { arguments: '{}' }].map((part) =>
      delta({ function_call: part }),
    )
    const { pieces, end } = read([...chunks, delta({}, 'function_call')])
    assert.deepEqual(pieces, [started(0, undefined), ['arguments 0', '{}']])
    assert.deepEqual(end, calls)
  })
})

describe('the end', () => {
  const whole = call({ index: 0, id: 'a', function: { name: 'f', arguments: '{}' } })
  const begun = call({ index: 0, id: 'a', function: { name: 'f', arguments: '{"x":' } })
  const text = delta({ content: 'x' })
  const cut = "The provider's stream ended before the response was complete."

  test('is what the finish reason says', () => {
    const reasons = [
      ['stop', 'stop'],
      ['eos', 'stop'],
      ['tool_calls', 'stop'],
      ['length', 'length'],
      ['content_filter', 'filter'],
    ]
    for (const [finish, reason] of reasons) {
      assert.deepEqual(read([text, delta({}, finish)]).end, { reason, stopText: undefined })
    }
  })

  test('has the stop sequence of servers that report it', () => {
    const ends = [
      [{ stop_reason: 'END' }, 'END'],
      [{ matched_stop: 'END' }, 'END'],
      [{ stop_reason: 13 }, undefined],
      [{ stop_reason: null }, undefined],
    ] as const
    for (const [more, stopText] of ends) {
      assert.deepEqual(read([text, delta({}, 'stop', more)]).end, { reason: 'stop', stopText })
    }
  })

  test('is that of calls whatever the finish reason, unless one is truncated', () => {
    assert.deepEqual(read([whole, delta({}, 'length')]).end, calls)
    assert.deepEqual(read([begun, delta({}, 'length')]).end, { reason: 'length', stopText: undefined })
    assert.deepEqual(read([begun, stop]).end, calls)
  })

  test('without a finish reason is one only after whole calls and the end mark', () => {
    assert.deepEqual(read([whole, '[DONE]']).end, calls)
    assert.deepEqual(read([begun, '[DONE]']).end, cut)
    assert.deepEqual(read([text, '[DONE]']).end, cut)
    assert.deepEqual(read([whole]).end, cut)
  })

  test('is an error where the provider gave up or wrote no JSON', () => {
    assert.equal(
      read([text, delta({}, 'abort')]).end,
      'The provider gave up before the response was complete.',
    )
    const notJson = read([text, '{"choices":', delta({ content: 'y' }), stop])
    assert.equal(notJson.end, "The provider's stream has an event that is not a JSON object.")
    assert.deepEqual(notJson.pieces, [['text', 'x']])
  })

  test('is followed by nothing after an error of the provider', () => {
    const forms = [
      [{ error: { message: 'slow down', code: 429 } }, ['error', 'slow down', 429]],
      [{ error: 'out of memory' }, ['error', 'out of memory', 500]],
      [{ object: 'error', message: 'bad', code: 400 }, ['error', 'bad', 400]],
      [{ error: { code: 503 } }, ['error', 'The provider reported an error without a message.', 503]],
    ] as const
    for (const [chunk, expected] of forms) {
      assert.deepEqual(read([text, chunk, delta({ content: 'y' })]).pieces, [['text', 'x'], expected])
    }
  })
})

describe('usage', () => {
  const usage = { prompt_tokens: 100, completion_tokens: 5, total_tokens: 105 }

  test('is the newest, with its parts', () => {
    const details = {
      prompt_tokens_details: { cached_tokens: 80, cache_write_tokens: 10 },
      completion_tokens_details: { reasoning_tokens: 3 },
    }
    const chunks = [
      { ...delta({ content: 'x' }), usage: { prompt_tokens: 100, completion_tokens: 1, total_tokens: 101 } },
      stop,
      { choices: [], usage: { ...usage, ...details } },
      { choices: [], usage: null },
    ]
    assert.deepEqual(read(chunks).usage, {
      promptTokens: 100,
      cachedTokens: 80,
      cacheWriteTokens: 10,
      completionTokens: 5,
      reasoningTokens: 3,
    })
  })

  test('never has more cached tokens than the prompt', () => {
    const over = { ...usage, prompt_tokens_details: { cached_tokens: 800, cache_write_tokens: 800 } }
    const read1 = read([{ choices: [], usage: over }, stop]).usage!
    assert.deepEqual([read1.cachedTokens, read1.cacheWriteTokens], [100, 0])
  })

  test('is found in the forms of DeepSeek, Groq and llama.cpp', () => {
    const forms = [
      { usage: { ...usage, prompt_cache_hit_tokens: 80 } },
      { x_groq: { usage: { ...usage, prompt_tokens_details: { cached_tokens: 80 } } } },
      { timings: { prompt_n: 20, cache_n: 80, predicted_n: 5 } },
    ]
    for (const form of forms) {
      const { promptTokens, cachedTokens, completionTokens } = read([{ choices: [], ...form }, stop]).usage!
      assert.deepEqual([promptTokens, cachedTokens, completionTokens], [100, 80, 5])
    }
  })
})

describe('a whole response', () => {
  const readWhole = (value: unknown) => {
    const record = new ChatRecord()
    const reader = new ChatReader(record, false)
    reader.readWhole(Buffer.from(JSON.stringify(value)))
    const end = reader.end()
    return { pieces: record.pieces, end: end instanceof GatewayError ? end.message : end }
  }

  test('has the same pieces as a stream', () => {
    const message = {
      role: 'assistant',
      content: 'So',
      reasoning: 'hm',
      tool_calls: ['a', 'b'].map((id) => ({
        id,
        type: 'function',
        function: { name: 'f', arguments: '{}' },
      })),
    }
    assert.deepEqual(readWhole({ choices: [{ index: 0, message, finish_reason: 'stop' }] }), {
      pieces: [
        ['reasoning', 'hm'],
        ['text', 'So'],
        ['start', 0, 'a', 'f'],
        ['arguments 0', '{}'],
        ['start', 1, 'b', 'f'],
        ['arguments 1', '{}'],
      ],
      end: calls,
    })
  })

  test('needs no finish reason, but choices', () => {
    const message = { content: 'x' }
    assert.deepEqual(readWhole({ choices: [{ message, finish_reason: null }] }).end, {
      reason: 'stop',
      stopText: undefined,
    })
    assert.equal(readWhole({ choices: [] }).end, "The provider's response has no choices.")
    assert.equal(readWhole([]).end, "The provider's response is not a JSON object.")
  })
})
