-- One gateway and the server agree on how much of the limits of some scopes the gateway may use: its allotments.
--
-- Of each scope, the gateway states what it holds, having given back the rest already, and what it uses; it may ask for more. For each
-- dimension the allotments of all gateways never exceed the limit, but for what was used beyond it already. An allotment counts
-- until `lingerMs` after its lease: so long may what was used of it still count in some window.
--
-- KEYS: the epoch; the scopes, each a hash. Of each gateway it has `m:MEMBER`: its number of exchanges, the end of its lease, when its
-- next use leaves its window (0: unknown), then allotted and used in each dimension; and, while it waits for more, `w:MEMBER`:
-- since when, until when that counts, then wanted and needed at least in each dimension.
--
-- ARGV: schema, leaseMs, wantMs, channel, member; then for each scope: how many dimensions, number of the exchange, in how many ms the
-- next use leaves (-1: unknown), 1 for a gateway that stops, and for each dimension: limit (-1: none), lingerMs, held, used, wanted, needed.
--
-- Returns for each scope: `stale` and the number of a later exchange that was seen; `failed` and why; or `ok` or `grace` (nothing is
-- granted, the state is in doubt); the number of gateways that use or want something; ms until something of others leaves (-1:
-- unknown); then for each dimension: allotted, allotted to others, used by others, what may be kept unused (-1: all).

local schema, leaseMs, wantMs = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local channel, member = ARGV[4], ARGV[5]

local now, grace, refusal = begin(schema, leaseMs)
if refusal then return refusal end

-- Of numbers of exchanges. Budgets are numbered by the microsecond: a clock that was set back by 12 days.
local maxAhead = 2 ^ 40

-- What is no such field is removed: it would fail each exchange, or count for ever.
local function numbers(packed, count)
  if #packed > 512 then return nil end
  local list = {}
  for each in string.gmatch(packed, '%S+') do
    local number = whole(each)
    if not number then return nil end
    list[#list + 1] = number
  end
  if #list == count then return list end
end

local function joined(values)
  local texts = {}
  for index, value in ipairs(values) do texts[index] = text(value) end
  return table.concat(texts, ' ')
end

-- @param scope its key. @param from where the arguments of its `count` dimensions begin.
local function exchange(scope, count, number, nextMs, leaves, from)
  local dimensions = {}
  local longestMs = 0
  for at = from, from + 6 * count - 1, 6 do
    local dimension = {
      limit = tonumber(ARGV[at]), lingerMs = tonumber(ARGV[at + 1]),
      used = tonumber(ARGV[at + 3]), wanted = tonumber(ARGV[at + 4]), needed = tonumber(ARGV[at + 5]),
      others = 0, usedByOthers = 0, keep = -1,
    }
    -- What was used beyond the allotment is a fact.
    dimension.stated = math.max(tonumber(ARGV[at + 2]), dimension.used)
    dimension.held = dimension.stated
    longestMs = math.max(longestMs, dimension.lingerMs)
    dimensions[#dimensions + 1] = dimension
  end

  clear(scope, 'hash')

  local own, ownWant
  local wants, holds, isActive = {}, {}, {}
  local active, soonestAt = 1, nil
  local stored = redis.call('HGETALL', scope)
  for at = 1, #stored, 2 do
    local kind, name = string.sub(stored[at], 1, 2), string.sub(stored[at], 3)
    local isWant = kind == 'w:'
    local values = (isWant or kind == 'm:') and numbers(stored[at + 1], (isWant and 2 or 3) + 2 * #dimensions)
    if not values then redis.call('HDEL', scope, stored[at])
    elseif isWant then
      -- Of a time that has not come: time has begun anew. Who still waits says so again.
      local isOfNow = values[1] <= now and values[2] <= now + wantMs
      if values[2] <= now or not isOfNow then redis.call('HDEL', scope, stored[at])
      elseif name == member then ownWant = values
      else wants[#wants + 1] = { member = name, since = values[1], values = values } end
    elseif name == member then own = values
    elseif values[2] + longestMs <= now then redis.call('HDEL', scope, stored[at])
    else
      -- No lease ends later than one that begins now. What does is of a time before this epoch's, and counts as if it had just been
      -- granted: longer than it would have, and not for ever.
      if values[2] > now + leaseMs + 2 then
        values[2] = now + leaseMs + 2
        redis.call('HSET', scope, stored[at], joined(values))
      end
      holds[name] = values
      for index, dimension in ipairs(dimensions) do
        local held, used = values[2 + 2 * index], values[3 + 2 * index]
        if held > 0 and values[2] + dimension.lingerMs > now then
          dimension.others = dimension.others + held
          dimension.usedByOthers = dimension.usedByOthers + used
          isActive[name] = true
        end
      end
      if isActive[name] then
        active = active + 1
        local leavesAt = values[3]
        local allLeaveAt = values[2] + longestMs
        -- A gateway that is gone leaves all at once.
        if values[2] <= now or leavesAt == 0 or leavesAt > allLeaveAt then leavesAt = allLeaveAt end
        if leavesAt > now and (soonestAt == nil or leavesAt < soonestAt) then soonestAt = leavesAt end
      end
    end
  end
  -- A number that is ahead by more than exchanges can be is none: the gateway would go on from there, to where numbers end.
  if own and own[1] >= number and own[1] <= number + maxAhead then return { 'stale', text(own[1]) } end
  table.sort(wants, function(one, other)
    if one.since ~= other.since then return one.since < other.since end
    return one.member < other.member
  end)
  for _, want in ipairs(wants) do
    if not isActive[want.member] then active = active + 1 end
  end
  -- What cannot be met until the gateway's own calls have left its window is neither promised nor kept free: the others would wait for
  -- nothing. Its turn stays.
  local standing = {}
  for _, want in ipairs(wants) do
    local canBeMet = true
    for index, dimension in ipairs(dimensions) do
      local held = holds[want.member] and holds[want.member][2 + 2 * index] or 0
      if dimension.limit >= 0 and held + want.values[2 + 2 * index] > dimension.limit then canBeMet = false end
    end
    if canBeMet then standing[#standing + 1] = want end
  end
  wants = standing

  -- Who came before gets what it needs first.
  local since = ownWant and ownWant[1] or now
  local wantsMore, fits = false, not grace and not leaves
  for index, dimension in ipairs(dimensions) do
    dimension.free = math.huge
    if dimension.limit >= 0 then
      dimension.free = dimension.limit - dimension.others - dimension.held
      for _, want in ipairs(wants) do
        if want.since < since or (want.since == since and want.member < member) then
          dimension.free = dimension.free - want.values[2 + 2 * index]
        end
      end
    end
    if dimension.needed > 0 then
      wantsMore = true
      if dimension.needed > dimension.free then fits = false end
    elseif dimension.wanted > 0 then wantsMore = true end
  end
  wantsMore = wantsMore and not leaves

  local isNewWant = false
  if wantsMore and fits then
    for _, dimension in ipairs(dimensions) do
      dimension.held = dimension.held + math.max(0, math.min(dimension.wanted, dimension.free))
    end
  end
  if wantsMore and not fits then
    isNewWant = ownWant == nil
    local packed = { since, now + wantMs }
    for _, dimension in ipairs(dimensions) do
      packed[#packed + 1] = dimension.wanted
      packed[#packed + 1] = dimension.needed
    end
    redis.call('HSET', scope, 'w:' .. member, joined(packed))
  elseif ownWant then
    redis.call('HDEL', scope, 'w:' .. member)
  end

  -- What others wait for may not lie unused here: fair parts stay, unless one call needs more than such a part. And where more is held
  -- than there is, because it was used beyond what was held, nothing that comes free is used again until that is over.
  for index, dimension in ipairs(dimensions) do
    local keep = math.huge
    local fair = math.floor(math.max(0, dimension.limit) / active)
    if dimension.limit >= 0 then
      if dimension.held + dimension.others > dimension.limit then keep = math.max(0, dimension.limit - dimension.others) end
      for _, want in ipairs(wants) do
        local needed = want.values[2 + 2 * index]
        local held = holds[want.member] and holds[want.member][2 + 2 * index] or 0
        local used = holds[want.member] and holds[want.member][3 + 2 * index] or 0
        -- The call takes what lies unused for it there, too.
        if needed > 0 and held - used + needed > fair then keep = 0
        elseif needed > 0 and held < fair then keep = math.min(keep, fair) end
      end
    end
    if keep < math.huge then dimension.keep = keep end
  end

  -- But what was granted just now is for a call that waits, which takes what lay unused here as well: without that, it would go round
  -- unused among those that want it.
  for _, dimension in ipairs(dimensions) do
    if wantsMore and fits and dimension.keep >= 0 then
      dimension.keep = math.max(dimension.keep, dimension.stated + dimension.needed)
    end
  end

  -- Whole milliseconds, rounded up, so that nothing counts too short.
  local packed = { number, leaves and now or now + leaseMs + 2, nextMs >= 0 and now + nextMs or 0 }
  for _, dimension in ipairs(dimensions) do
    packed[#packed + 1] = dimension.held
    packed[#packed + 1] = dimension.used
  end
  -- The number is kept where nothing is: an earlier exchange that arrives late must not bring anything back.
  redis.call('HSET', scope, 'm:' .. member, joined(packed))
  redis.call('PEXPIRE', scope, text(leaseMs + longestMs + 60000))

  -- The first in line learns that there is room for it; who holds what it does not use, that somebody waits.
  local first = wants[1]
  if first then
    local hasRoom = not grace
    for index, dimension in ipairs(dimensions) do
      local needed = first.values[2 + 2 * index]
      if needed > 0 and dimension.limit >= 0 and needed > dimension.limit - dimension.others - dimension.held then hasRoom = false end
    end
    if hasRoom then redis.call('PUBLISH', channel, 'freed ' .. scope .. ' ' .. first.member) end
  end
  if isNewWant then redis.call('PUBLISH', channel, 'wanted ' .. scope .. ' ' .. member) end

  local reply = { grace and 'grace' or 'ok', active, soonestAt and text(soonestAt - now) or '-1' }
  for _, dimension in ipairs(dimensions) do
    reply[#reply + 1] = text(dimension.held)
    reply[#reply + 1] = text(math.min(dimension.others, latest))
    reply[#reply + 1] = text(math.min(dimension.usedByOthers, latest))
    reply[#reply + 1] = text(dimension.keep)
  end
  return reply
end

-- What fails of one scope is no matter of the others.
local replies = {}
local at = 6
for index = 2, #KEYS do
  local count = tonumber(ARGV[at])
  local ok, reply = pcall(exchange, KEYS[index], count, tonumber(ARGV[at + 1]), tonumber(ARGV[at + 2]), ARGV[at + 3] == '1', at + 4)
  if not ok then reply = { 'failed', type(reply) == 'table' and reply.err or tostring(reply) } end
  replies[#replies + 1] = reply
  at = at + 4 + 6 * count
end
return replies
