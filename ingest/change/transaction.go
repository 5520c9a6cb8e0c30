package change

import "strconv"

// Transaction is an event's place in its transaction, as the envelope's transaction block says it.
type Transaction struct {
	ID              []byte // AppendTransactionID
	Order           uint64 // among all events of the transaction, from 1
	CollectionOrder uint64 // among those of its table, from 1
}

// AppendTransactionID appends a transaction's id, "<xid>:<lsn of its commit>": ids of transactions (xid) come round again
// after four billion, positions do not.
func AppendTransactionID(dst []byte, xid uint32, commit LSN) []byte {
	dst = append(strconv.AppendUint(dst, uint64(xid), 10), ':')
	return strconv.AppendUint(dst, uint64(commit), 10)
}

func (t *Transaction) append(dst []byte) []byte {
	if t == nil {
		return append(dst, "null"...)
	}
	dst = AppendString(append(dst, `{"id":`...), t.ID)
	dst = strconv.AppendUint(append(dst, `,"total_order":`...), t.Order, 10)
	dst = strconv.AppendUint(append(dst, `,"data_collection_order":`...), t.CollectionOrder, 10)
	return append(dst, '}')
}

// TransactionBlock is the envelope's transaction block as a reader decodes it.
type TransactionBlock struct {
	ID                  string `json:"id"`
	TotalOrder          uint64 `json:"total_order"`
	DataCollectionOrder uint64 `json:"data_collection_order"`
}

// CollectionCount is how many events of a table a transaction has.
type CollectionCount struct {
	Name  string // "public.prices"
	Count uint64
}

// AppendTransactionKey appends the key of a transaction's two records.
func AppendTransactionKey(dst, id []byte) []byte {
	return append(AppendString(append(dst, `{"id":`...), id), '}')
}

// AppendTransactionBegin appends the record of a transaction's beginning.
func AppendTransactionBegin(dst, id []byte, commitTime int64) []byte {
	dst = AppendString(append(dst, `{"status":"BEGIN","id":`...), id)
	dst = append(dst, `,"event_count":null,"data_collections":null,"ts_ms":`...)
	return append(strconv.AppendInt(dst, commitTime/1e3, 10), '}')
}

// AppendTransactionEnd appends the record of a transaction's end, with the number of its events and of those of each table.
func AppendTransactionEnd(dst, id []byte, total uint64, counts []CollectionCount, commitTime int64) []byte {
	dst = AppendString(append(dst, `{"status":"END","id":`...), id)
	dst = strconv.AppendUint(append(dst, `,"event_count":`...), total, 10)
	dst = append(dst, `,"data_collections":[`...)
	for i, c := range counts {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = AppendString(append(dst, `{"data_collection":`...), []byte(c.Name))
		dst = append(strconv.AppendUint(append(dst, `,"event_count":`...), c.Count, 10), '}')
	}
	return append(strconv.AppendInt(append(dst, `],"ts_ms":`...), commitTime/1e3, 10), '}')
}
