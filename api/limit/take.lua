-- KEYS are what is limited; each holds the time, in microseconds, at which its allowance is full again.
-- ARGV[1] is what one time costs and ARGV[2] how far ahead of now a key may be, in microseconds.
-- Answers 0 when all of them have paid; otherwise none has, and the answer is after how many microseconds to ask again.
-- The clock is the server's: those who ask may disagree about the time.
local clock = redis.call('TIME')
local now = clock[1] * 1000000 + clock[2]
local each, ahead = tonumber(ARGV[1]), tonumber(ARGV[2])
local times, wait = {}, 0
for i, key in ipairs(KEYS) do
  -- A key from before the clock was set back would hold its owner until the clock is there again.
  local full = math.min(tonumber(redis.call('GET', key) or now), now + ahead)
  times[i] = math.max(now, full) + each
  wait = math.max(wait, times[i] - now - ahead)
end
if wait > 0 then
  return wait
end
for i, key in ipairs(KEYS) do
  -- Full again is what a key that isn't there is, so it may go then.
  redis.call('SET', key, string.format('%.0f', times[i]), 'PX', math.ceil((times[i] - now) / 1000))
end
return 0
