// Filters stand open beside the results where there is room, and fold away above them where there isn't.
const filters = document.querySelector('#filters')
const room = matchMedia('(min-width: 52rem)')
const fold = () => { filters.open = room.matches }
room.addEventListener('change', fold)
fold()
